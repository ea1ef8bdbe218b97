"""Entry point: pick the command, turn errors into one line and an exit code."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence

from AdrenalClassifierLib.errors import AdrenalError, CohortError
from AdrenalClassifierLib.version import __version__

COMMANDS: Mapping[str, str] = {
    "demo": "run the main job on the sample CT and write a report",
    "assess": "probability of malignancy, measurements and guideline verdicts of a case",
    "measure": "measurements of a lesion, without a model",
    "agreement": "agreement of two masks, or of folders of masks of two or more readers",
    "cohort": "make a synthetic cohort, import a public one, or check a cohort table",
    "train": "train the four models on a cohort and write a bundle",
    "evaluate": "judge a model on a cohort: every figure with its interval, comparisons, curves, a page",
    "study": "blinded reader studies: create, hand out, collect, analyse",
    "doctor": "versions, device, model checksum, and what is missing",
}
DONE, FAULT, BAD_INPUT = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: words after the program's name; None takes those of the process.

    Returns:
        0 done, 1 internal fault, 2 bad input or usage. argparse exits with 2 by itself for wrong usage.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = _parser(words).parse_args(words)
        options.run(options)
    except AdrenalError as error:
        print(f"adrenal-classifier: {error}", file=sys.stderr)
        if isinstance(error, CohortError):
            for problem in error.problems:
                print(f"  {problem}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("adrenal-classifier: stopped.", file=sys.stderr)
        return FAULT
    except BrokenPipeError:
        # The reader of our output went away (`| head`); nothing is wrong, and nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        if "--debug" in words:
            traceback.print_exc()
        print(
            f"adrenal-classifier: internal fault ({type(error).__name__}). This is a mistake in the software, not in your input: "
            "please report it with the output of 'adrenal-classifier --debug' and the same words.",
            file=sys.stderr,
        )
        return FAULT
    return DONE


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="adrenal-classifier",
        description="Probability of malignancy of an adrenal lesion on CT. For research use only. Not a medical device.",
    )
    parser.add_argument("--version", action="version", version=f"adrenal-classifier {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an internal fault")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    named = next((word for word in words if word in COMMANDS), None)
    for name, text in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name == named:  # only the command at hand is imported
            module = importlib.import_module(f"AdrenalClassifierLib.commands.{name}")
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    return parser
