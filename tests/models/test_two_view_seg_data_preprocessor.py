from __future__ import annotations

import pytest
import torch

from anl_seg.models import NoisySegDataPreProcessor, TwoViewSegDataPreProcessor
from tests.models.test_noisy_seg_data_preprocessor import batch

NORMAL = dict(mean=[10.0, 20.0, 30.0], std=[2.0, 4.0, 5.0], size=(12, 16))


def images(size=(10, 16), count=3, clean=True):
    data = batch([size] * count, clean=clean)
    generator = torch.Generator().manual_seed(0)
    data["inputs"] = [
        torch.randint(0, 256, x.shape, dtype=torch.uint8, generator=generator)
        for x in data["inputs"]
    ]
    return data


def test_first_half_untouched_second_half_changed_labels_alike():
    torch.manual_seed(0)
    data = images()
    expected = NoisySegDataPreProcessor(**NORMAL)(images(), True)["inputs"]
    result = TwoViewSegDataPreProcessor(**NORMAL)(data, True)
    first, second = result["inputs"].chunk(2)
    assert torch.equal(first, expected)
    assert ((first - second).flatten(1).abs().amax(1) > 0).all()
    samples = result["data_samples"]
    assert len(samples) == 6
    for one, two in zip(samples[:3], samples[3:]):
        assert one is not two
        for name in ("gt_sem_seg", "gt_sem_seg_clean"):
            assert one.get(name).data.shape == (1, 12, 16)
            assert torch.equal(one.get(name).data, two.get(name).data)
        assert one.metainfo == two.metainfo
    samples = TwoViewSegDataPreProcessor(**NORMAL)(images(clean=False), True)["data_samples"]
    assert not any("gt_sem_seg_clean" in sample for sample in samples)


def test_each_change_alone_stays_in_its_range():
    """Of 400 images with the value 1, one pixel each: what is left after each of the three changes."""
    ones = torch.ones(400, 3, 2, 2)
    off = dict(brightness=0.0, contrast=0.0, noise=0.0)
    torch.manual_seed(0)

    def changed(x, **on):
        return TwoViewSegDataPreProcessor(**NORMAL, **{**off, **on}).second_view(x)

    assert torch.equal(changed(ones), ones)
    for name, base in (("brightness", 0 * ones), ("contrast", ones)):
        change = changed(base, **{name: 0.5}) - base
        assert (change == change[:, :1, :1, :1]).all()  # one draw per image
        assert change.min() < -0.45
        assert change.max() > 0.45
        assert change.abs().max() <= 0.5
        assert change[:, 0, 0, 0].std() == pytest.approx(0.5 / 3**0.5, rel=0.1)
    assert (changed(0 * ones, contrast=0.5) == 0).all()  # the mean of the data set stays
    noise = changed(ones, noise=0.1) - ones
    assert noise.std() == pytest.approx(0.1, rel=0.05)
    assert len(noise.unique()) > 4000  # a draw of its own for each pixel and channel


def test_torchs_seed_decides():
    preprocessor = TwoViewSegDataPreProcessor(**NORMAL)
    batches = [images() for _ in range(3)]
    torch.manual_seed(5)
    first, second = (preprocessor(data, True)["inputs"] for data in batches[:2])
    torch.manual_seed(5)
    assert torch.equal(preprocessor(batches[2], True)["inputs"], first)
    assert not torch.equal(first, second)


def test_nothing_changes_in_test():
    params = dict(NORMAL, test_cfg=dict(size_divisor=8))
    expected = NoisySegDataPreProcessor(**params)(images(), False)
    batch, random = images(), torch.get_rng_state()
    data = TwoViewSegDataPreProcessor(**params)(batch, False)
    assert torch.equal(data["inputs"], expected["inputs"])
    assert len(data["data_samples"]) == 3
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        (dict(brightness=-0.1), "brightness must be a finite number, 0 or more; got -0.1"),
        (dict(noise=float("nan")), "noise must be a finite number"),
        (dict(contrast=1.0), r"contrast must lie in \[0, 1\); got 1.0"),
        (dict(std=None), r"mean and std are needed.*std=None"),
    ],
)
def test_wrong_parameters(params, text):
    with pytest.raises(ValueError, match=text):
        TwoViewSegDataPreProcessor(**{**NORMAL, **params})
