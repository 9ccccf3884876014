"""Test-time augmentation whose samples carry the average that the prediction is made of."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.structures import PixelData
from mmseg.models import SegTTAModel as _SegTTAModel
from mmseg.structures import SegDataSample

from anl_seg.models.probabilities import class_probabilities
from anl_seg.registry import MODELS


@MODELS.register_module()
class SegTTAModel(_SegTTAModel):
    """mmseg's ``SegTTAModel`` with the mean probabilities of all views as ``seg_logits``.

    mmseg's own predicts from that mean too, but leaves the logits of the last view in the sample, so that a
    metric of the logits is not one of the prediction. Where the head has one channel it takes the sigmoid
    twice, after which no pixel is background; here it is taken once. Labels and meta information are those
    of the first view that is not flipped.
    """

    def merge_preds(self, data_samples_list: list[Sequence[SegDataSample]]) -> list[SegDataSample]:
        """One sample per image.

        Args:
            data_samples_list: the views of each image, predicted, turned back to its size and orientation.
        """
        return [self._merged(views) for views in data_samples_list]

    def _merged(self, views: Sequence[SegDataSample]) -> SegDataSample:
        merged = next((view for view in views if not view.get("flip")), views[0])
        probabilities = torch.stack([_probabilities(view) for view in views]).mean(dim=0)
        if len(probabilities) == 1:
            prediction = probabilities > self.module.decode_head.threshold
        else:
            prediction = probabilities.argmax(dim=0, keepdim=True)
        merged.set_data(
            {
                "seg_logits": PixelData(data=probabilities),
                "pred_sem_seg": PixelData(data=prediction.long()),
            }
        )
        return merged


def _probabilities(view: SegDataSample) -> torch.Tensor:
    """(C, H, W) of one view; (1, H, W) of a binary head, whose sigmoid mmseg has taken already."""
    logits = view.seg_logits.data
    return logits.float() if len(logits) == 1 else class_probabilities(logits, len(logits))
