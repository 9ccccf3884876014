"""The average of several views: what a sample carries is what its prediction was made of."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models import SegTTAModel as MmsegTTAModel
from mmseg.structures import SegDataSample

from anl_seg.evaluation import CalibrationErrorMetric
from anl_seg.models import SegTTAModel


class Segmentor(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.out_channels = channels
        self.decode_head = SimpleNamespace(threshold=0.3)

    def test_step(self, data):
        raise NotImplementedError


def view(logits, label, flip=False):
    sample = SegDataSample(metainfo=dict(img_path="a.png", flip=flip))
    prediction = logits.argmax(dim=0) if len(logits) > 1 else (logits > 0.3)[0].long()
    maps = dict(seg_logits=logits, pred_sem_seg=prediction, gt_sem_seg=label)
    sample.set_data({name: PixelData(data=data) for name, data in maps.items()})
    return sample


@pytest.fixture
def views():
    generator = torch.Generator().manual_seed(0)
    logits = [2 * torch.randn(3, 8, 9, generator=generator) for _ in range(3)]
    label = torch.randint(0, 3, (8, 9), generator=generator)
    return logits, label


def test_logits_are_the_average_and_the_prediction_is_that_of_mmseg(views):
    logits, label = views
    samples = [view(z, label, flip=i == 0) for i, z in enumerate(logits)]
    theirs = MmsegTTAModel(Segmentor(3)).merge_preds([[s.clone() for s in samples]])[0]
    (ours,) = SegTTAModel(Segmentor(3)).merge_preds([samples])
    mean = torch.stack([z.softmax(dim=0) for z in logits]).mean(dim=0)
    torch.testing.assert_close(ours.seg_logits.data, mean)
    assert torch.equal(ours.pred_sem_seg.data[0], mean.argmax(dim=0))
    assert torch.equal(ours.pred_sem_seg.data, theirs.pred_sem_seg.data)
    assert not ours.flip

    metric = CalibrationErrorMetric()
    metric.dataset_meta = {"classes": ("a", "b", "c")}
    metric.process(None, [ours.to_dict()])
    confidence = mean.amax(dim=0).mean()
    right = (mean.argmax(dim=0) == label).float().mean()
    values = metric.compute_metrics(metric.results)
    assert values["overconfidence"] == pytest.approx(100 * float(confidence - right), abs=1e-4)
    # What mmseg leaves in the sample is the last view: no measure of this prediction.
    with pytest.raises(
        ValueError, match=r"not the largest of its seg_logits.*anl_seg\.SegTTAModel"
    ):
        metric.process(None, [theirs.to_dict()])


def test_the_sigmoid_of_a_head_with_one_channel_is_taken_once():
    label = torch.zeros(4, 4, dtype=torch.int64)
    probabilities = [torch.full((1, 4, 4), p) for p in (0.05, 0.15)]
    probabilities[0][0, 0, 0] = 0.9
    samples = [view(p, label) for p in probabilities]
    (merged,) = SegTTAModel(Segmentor(1)).merge_preds([samples])
    torch.testing.assert_close(merged.seg_logits.data, sum(probabilities) / 2)
    assert int(merged.pred_sem_seg.data.sum()) == 1
