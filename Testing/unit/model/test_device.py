"""Where the network runs."""

from __future__ import annotations

import pytest
import torch

from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.model.device import choose_device, run_with_fallback


def test_auto_prefers_cuda_then_mps_then_cpu(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    for cuda, mps, expected in [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]:
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        assert choose_device("auto").type == expected


def test_a_device_that_does_not_exist_is_refused_with_those_that_do(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(AdrenalError, match=r"'cuda' is not available .*cpu.*--device auto"):
        choose_device("cuda")


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("MPS backend out of memory")])
def test_no_memory_on_the_gpu_means_the_cpu_and_a_warning(error: RuntimeError) -> None:
    tried = []

    def work(device: torch.device) -> int:
        tried.append(device.type)
        if device.type != "cpu":
            raise error
        return 7

    result, used, notices = run_with_fallback(torch.device("mps"), work)
    assert (result, used.type, tried) == (7, "cpu", ["mps", "cpu"])
    assert [n.code for n in notices] == ["gpu_out_of_memory"]


def test_other_faults_and_the_cpu_itself_are_not_hidden() -> None:
    def broken(_: torch.device) -> None:
        raise RuntimeError("shape mismatch")

    def full(_: torch.device) -> None:
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(RuntimeError, match="shape"):
        run_with_fallback(torch.device("mps"), broken)
    with pytest.raises(torch.OutOfMemoryError):
        run_with_fallback(torch.device("cpu"), full)
