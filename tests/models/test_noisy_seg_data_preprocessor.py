from __future__ import annotations

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from anl_seg.models import NoisySegDataPreProcessor


def batch(sizes, clean=True):
    data = {"inputs": [], "data_samples": []}
    for height, width in sizes:
        noisy = torch.randint(0, 3, (1, height, width))
        sample = SegDataSample(gt_sem_seg=PixelData(data=noisy))
        sample.set_metainfo(dict(img_shape=(height, width)))
        if clean:
            sample.gt_sem_seg_clean = PixelData(data=noisy.clone())
        data["inputs"].append(torch.zeros(3, height, width, dtype=torch.uint8))
        data["data_samples"].append(sample)
    return data


@pytest.mark.parametrize("options", [dict(size=(12, 16)), dict(size_divisor=8)])
def test_clean_is_padded_as_noisy_is(options):
    data = NoisySegDataPreProcessor(**options, seg_pad_val=9)(batch([(10, 16), (12, 11)]), True)
    for sample in data["data_samples"]:
        assert sample.gt_sem_seg.data.shape[-2:] == data["inputs"].shape[-2:]
        assert torch.equal(sample.gt_sem_seg_clean.data, sample.gt_sem_seg.data)
        assert (sample.gt_sem_seg_clean.data == 9).any()


def test_samples_without_clean_masks_and_test_batches_pass():
    data = NoisySegDataPreProcessor(size=(12, 16))(batch([(10, 16)], clean=False), True)
    assert "gt_sem_seg_clean" not in data["data_samples"][0]
    data = NoisySegDataPreProcessor()({"inputs": batch([(10, 16)])["inputs"]}, False)
    assert data["data_samples"] is None
    # mmseg pads the images of a test batch, not its masks: predictions are cut back to their size.
    data = NoisySegDataPreProcessor(test_cfg=dict(size_divisor=8))(batch([(10, 12)]), False)
    assert tuple(data["inputs"].shape) == (1, 3, 16, 16)
    sample = data["data_samples"][0]
    assert sample.gt_sem_seg_clean.shape == (10, 12)
    assert torch.equal(sample.gt_sem_seg_clean.data, sample.gt_sem_seg.data)
