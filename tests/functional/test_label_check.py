"""The label check of devices that must not be waited for."""

from __future__ import annotations

import pytest
import torch

from anl_seg.functional._labels import _DeferredCheck, _report, check_labels


class Event:
    """Stands for a CUDA event that has passed or not."""

    def __init__(self, passed):
        self.passed = passed

    def query(self):
        return self.passed


def report(labels, num_classes=3):
    labels = torch.tensor(labels)
    return _report(labels, ((labels < 0) | (labels >= num_classes)) & (labels != 255))


def test_report_counts_and_names_without_indexing():
    assert report([0, 7, 2, -4, 255]).tolist() == [2, -4, 7]
    assert report([0, 1, 255])[0] == 0


def test_error_comes_with_the_next_call_and_names_the_values():
    check = _DeferredCheck()
    check(report([0, 9, 9]), 3, 255)
    with pytest.raises(ValueError, match=r"2 label\(s\) out of range: found 9; allowed are 0 to 2"):
        check(report([0, 1]), 3, 255)
    check(report([0, 1]), 3, 255)  # told once, then forgotten
    check(report([0, 1]), 3, 255)


def test_an_unread_report_is_never_replaced():
    check = _DeferredCheck()
    event, device = Event(passed=False), torch.device("cpu")
    check._pending[device] = (event, report([8]), 3, 255)
    check(report([0]), 3, 255)
    check(report([0]), 3, 255)
    event.passed = True
    with pytest.raises(ValueError, match="found 8"):
        check(report([0]), 3, 255)


def test_several_values_are_given_as_a_range():
    with pytest.raises(ValueError, match=r"3 label.*found from -2 to 9"):
        check_labels(torch.tensor([-2, 4, 9, 1, 255]), 3, 255)


def test_empty_labels_pass():
    check_labels(torch.empty(0, 4, dtype=torch.long), 3, 255)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_no_device_assert_and_an_error_soon():
    from anl_seg.functional import cross_entropy

    logits = torch.randn(2, 3, 8, 8, device="cuda", requires_grad=True)
    labels = torch.full((2, 8, 8), 7, device="cuda")
    cross_entropy(logits, labels).sum().backward()
    torch.cuda.synchronize()
    assert (logits.grad == 0).all()
    with pytest.raises(ValueError, match="found 7"):
        cross_entropy(logits, torch.zeros_like(labels))
