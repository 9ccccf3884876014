"""What works without MMSegmentation, and what is said when it is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.process


@pytest.mark.parametrize("module", ["anl_seg.functional", "anl_seg.noise"])
def test_import_pulls_in_no_mmseg(module):
    code = (
        f"import sys, {module}; "
        "found = {m.partition('.')[0] for m in sys.modules} & {'mmseg', 'mmengine', 'mmcv'}; "
        "sys.exit(f'imported {found}' if found else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_mmseg_one_sentence_names_both_extras():
    code = """
import sys, warnings
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in ('mmseg', 'mmengine', 'mmcv'):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hide())
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda n, p=None: None if n in ('mmseg', 'mmengine', 'mmcv') else real(n, p)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter('always')
    import anl_seg
assert len(caught) == 1, caught
text = str(caught[0].message)
assert 'anl_seg[onedl]' in text and 'anl_seg[openmmlab]' in text, text
import anl_seg.functional, anl_seg.noise
for name in ('mmseg_config', 'inject_noise', 'replace_losses'):
    try:
        getattr(anl_seg, name)
    except ImportError as error:
        assert str(error) == text, error
    else:
        raise SystemExit(f'{name} did not fail')
try:
    import anl_seg.registry
except ImportError as error:
    assert str(error) == text, error
else:
    raise SystemExit('anl_seg.registry did not fail')
"""
    subprocess.run([sys.executable, "-c", code], check=True)
