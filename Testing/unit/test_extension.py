"""The extension as Slicer builds it: its lists are whole, its CMake runs, what it installs works by itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "AdrenalClassifier"
sys.path.insert(0, str(ROOT / "Testing" / "tools"))
from list_module_files import listed, resources, scripts  # noqa: E402

MODULES = "lib/Slicer-5.12/qt-scripted-modules"

STUB_CONFIG = """
set(Slicer_FOUND TRUE)
set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/Record.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/Record.cmake)
"""
STUB_USE = """
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR lib/Slicer-5.12/qt-scripted-modules)
set(BUILD_TESTING ON)
file(WRITE ${CMAKE_BINARY_DIR}/record.txt "")
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MY "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(MY_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "unknown: ${MY_UNPARSED_ARGUMENTS}")
  endif()
  foreach(_entry IN LISTS MY_SCRIPTS MY_RESOURCES)
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${_entry})
      message(FATAL_ERROR "given nonexistent file '${_entry}'")
    endif()
    configure_file(${_entry} ${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}/${_entry} COPYONLY)
  endforeach()
  file(APPEND ${CMAKE_BINARY_DIR}/record.txt "module ${MY_NAME} ${MY_WITH_GENERIC_TESTS}\\n")
endmacro()
macro(slicer_add_python_unittest)
  cmake_parse_arguments(MY "" "TESTNAME_PREFIX;SCRIPT" "SLICER_ARGS" ${ARGN})
  if(MY_UNPARSED_ARGUMENTS OR NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${MY_SCRIPT})
    message(FATAL_ERROR "no test ${MY_SCRIPT} ${MY_UNPARSED_ARGUMENTS}")
  endif()
  file(APPEND ${CMAKE_BINARY_DIR}/record.txt "test ${MY_SCRIPT}\\n")
endmacro()
"""
STUB_RECORD = """
foreach(_name HOMEPAGE CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS)
  file(APPEND ${CMAKE_BINARY_DIR}/record.txt "${_name} ${EXTENSION_${_name}}\\n")
endforeach()
"""
OUTER = """
cmake_minimum_required(VERSION 3.16.3)
project(outer LANGUAGES NONE)
macro(project name)  # the extension's own would look for a compiler, which a scripted module does not need
  file(WRITE ${CMAKE_BINARY_DIR}/name.txt ${name})
endmacro()
list(APPEND CMAKE_PREFIX_PATH ${STUB})
add_subdirectory(${EXTENSION} extension)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build folder after CMake has run over the extension, with Slicer's macros replaced by ones that copy and note."""
    folder = tmp_path_factory.mktemp("extension")
    stub = folder / "stub" / "lib" / "cmake" / "Slicer"
    stub.mkdir(parents=True)
    for name, text in (("SlicerConfig", STUB_CONFIG), ("UseSlicer", STUB_USE), ("Record", STUB_RECORD)):
        (stub / f"{name}.cmake").write_text(text, encoding="utf-8")
    (folder / "outer").mkdir()
    (folder / "outer" / "CMakeLists.txt").write_text(OUTER, encoding="utf-8")
    cmake = shutil.which("cmake", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert cmake, "install the test extra"
    done = subprocess.run(
        [cmake, "-S", folder / "outer", "-B", folder / "build", f"-DSTUB={folder / 'stub'}", f"-DEXTENSION={ROOT}", "-Wno-dev"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stderr
    return folder / "build"


def test_the_lists_hold_every_file_of_the_module() -> None:
    text = (MODULE / "CMakeLists.txt").read_text(encoding="utf-8")
    how = "run: python Testing/tools/list_module_files.py"
    assert listed("MODULE_PYTHON_SCRIPTS", text) == scripts(), how
    assert listed("MODULE_PYTHON_RESOURCES", text) == resources(), how
    assert len(scripts()) > 100


def test_nothing_in_the_module_folder_is_of_a_kind_that_no_list_takes() -> None:
    files = {p.relative_to(MODULE).as_posix() for p in MODULE.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert files - set(scripts()) - set(resources()) == {"CMakeLists.txt"}


def test_cmake_runs_and_registers_the_module_and_its_tests(built: Path) -> None:
    assert (built / "name.txt").read_text() == "AdrenalClassifier"
    record = (built / "record.txt").read_text(encoding="utf-8").splitlines()
    assert "module AdrenalClassifier TRUE" in record
    tests = {line.split()[1] for line in record if line.startswith("test ")}
    assert tests == {"AdrenalClassifier.py", *(p.name for p in (ROOT / "Testing" / "Slicer").glob("*Test.py"))}
    assert len(tests) == 4


def test_what_is_installed_works_without_the_repository(built: Path, tmp_path: Path) -> None:
    modules = built / MODULES
    names = [".".join(Path(name).with_suffix("").parts).removesuffix(".__init__") for name in scripts()[1:]]
    hosts = ("AdrenalClassifierLib.desktop", "AdrenalClassifierLib.scene")
    wanted = [name for name in names if not name.startswith(hosts)]
    code = f"""
import importlib, json
for name in {wanted!r}: importlib.import_module(name)
import AdrenalClassifierLib
from AdrenalClassifierLib.resources import DEFAULT_MODEL, resource
from AdrenalClassifierLib.patient.catalogue import load_catalogue
from AdrenalClassifierLib.cohort.labels import __file__ as labels
from AdrenalClassifierLib.imaging.read import read_ct
from AdrenalClassifierLib.guidelines import evaluate
load_catalogue()
ct = read_ct(resource("SampleData", "adrenal-right-synthetic", "ct.nii.gz"))
weights = str(resource("Models", DEFAULT_MODEL, "weights.safetensors"))
print(json.dumps([AdrenalClassifierLib.__file__, weights, ct.geometry.shape]))
"""
    environment = {**os.environ, "PYTHONPATH": str(modules)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    package, weights, shape = json.loads(done.stdout)
    assert Path(package).is_relative_to(modules)
    assert Path(weights).is_relative_to(modules / "AdrenalClassifierLib" / "shipped")
    assert len(shape) == 3


def test_the_catalogue_entry_agrees_with_cmake(built: Path) -> None:
    entry = json.loads((ROOT / "AdrenalClassifier.json").read_text(encoding="utf-8"))
    schema = {"$schema", "category", "scm_url", "scm_revision", "build_dependencies", "build_subdirectory", "tier"}
    assert set(entry) == schema
    assert entry["$schema"].endswith("slicer-extension-catalog-entry-schema-v1.0.1.json#")
    assert entry["category"] == "Quantification"
    record = dict(line.split(" ", 1) for line in (built / "record.txt").read_text(encoding="utf-8").splitlines() if " " in line)
    assert record["DEPENDS"].split(";") == entry["build_dependencies"]
    assert record["HOMEPAGE"] == entry["scm_url"]
    assert b"\r" not in (ROOT / "AdrenalClassifier.json").read_bytes()
    raw = entry["scm_url"].replace("https://github.com/", "https://raw.githubusercontent.com/") + "/main/"
    for address in (record["ICONURL"], *record["SCREENSHOTURLS"].split()):
        assert address.startswith(raw)
        assert re.search(r"\.(png|jpg|gif)$", address)
        assert (ROOT / address.removeprefix(raw)).is_file(), f"{address} names a file that is not in the repository"
    assert len(record["DESCRIPTION"].split(". ")) <= 2


def test_the_checkout_is_far_below_what_the_extensions_index_accepts() -> None:
    folders = (MODULE, ROOT / "Resources", ROOT / "Testing")
    size = sum(p.stat().st_size for folder in folders for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    assert size < 50e6
