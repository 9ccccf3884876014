from __future__ import annotations

import pytest

from anl_seg.config import parse_spec


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MAELoss", dict(type="MAELoss")),
        ("anl_seg.ANLCELoss:alpha=5,beta=0.5", dict(type="anl_seg.ANLCELoss", alpha=5, beta=0.5)),
        ("A:m=[[0.9,0.1],[0.2,0.8]],b=2", dict(type="A", m=[[0.9, 0.1], [0.2, 0.8]], b=2)),
        ("A:active={'type':'NCELoss','q':1}", dict(type="A", active=dict(type="NCELoss", q=1))),
        ("A:name=loss_x,flag=True,none=None", dict(type="A", name="loss_x", flag=True, none=None)),
        ("A:path='a,b=c'", dict(type="A", path="a,b=c")),
        ("A: x = 1 , y = 2", dict(type="A", x=1, y=2)),
        (
            "A:noises=[None,dict(type=DilateNoise,low=[1,-2.5])],flag=(True,word)",
            dict(
                type="A",
                noises=[None, dict(type="DilateNoise", low=[1, -2.5])],
                flag=(True, "word"),
            ),
        ),
        (
            "A:m=data/a-b.json,n=-1,o={b: dict()}",
            dict(type="A", m="data/a-b.json", n=-1, o=dict(b={})),
        ),
        (
            "A:x=dict(type=a.b,y={'c':[none]})",
            dict(type="A", x=dict(type="a.b", y=dict(c=["none"]))),
        ),
        ("A:x=__import__('os').getcwd()", dict(type="A", x="__import__('os').getcwd()")),
    ],
)
def test_parses(text, expected):
    assert parse_spec(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected 'Type'"),
        (":a=1", "expected 'Type'"),
        ("A:a", "expected key=value in 'A:a'; got 'a'"),
        ("A:1=2", "expected key=value"),
        ("A:a=1,a=2", "'a' is given twice"),
        ("A:type=B", "'type' is given twice"),
        ("A:a=[1,2", "unbalanced"),
        ("A:a='x", "unbalanced"),
        ("A:a=1),b=(2", "unbalanced"),
        ("A:a=[__import__('os').getcwd()]", "is no number, string"),
        ("A:a=dict([1])", "takes key=value only"),
        ("A:a=dict(b=1,b=2)", "'b' is given twice"),
        ("A:a={**b}", "cannot read"),
        ("A:a=" + "[" * 3000 + "]" * 3000, "cannot read"),
    ],
)
def test_refuses(text, message):
    with pytest.raises(ValueError, match=message):
        parse_spec(text)
