"""Records as JSON: nothing is lost, the schema is true, and what is no record is refused."""

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hopscope.errors import HopscopeError, UsageError
from hopscope.model import codec
from hopscope.model.record import VERSION, Record
from hopscope.model.snapshot import LinkState, NodeState, Snapshot
from hopscope.model.vocab import DevName, Nanos, NodeName
from strategies import events, journeys, records, snapshots

EMPTY = Record(
    lab="bridge",
    description="",
    mode="sandbox",
    kernel="6.18.44",
    hopscope="0.1.0",
    started=Nanos(1_700_000_000_123_456_789),
    finished=Nanos(1_700_000_001_123_456_789),
    initial=Snapshot(nodes=()),
    steps=(),
    conclusion=(),
)
_WHOLE = 25  # examples, for each is a whole document


@cache
def validator() -> Any:
    """Of the schema that hopscope publishes."""
    Draft202012Validator.check_schema(codec.schema())
    return Draft202012Validator(codec.schema())


@given(records)
@settings(max_examples=_WHOLE)
def test_a_record_survives(record: Record) -> None:
    """Every field, every kind of step and event, bytes and all scripts."""
    assert codec.load(codec.dump(record)) == record
    assert codec.load(codec.dump(record, indent=2).decode()) == record


@given(records)
@settings(max_examples=_WHOLE)
def test_a_dump_is_what_the_schema_says(record: Record) -> None:
    """A reader may rely on it."""
    errors = [error.message for error in validator().iter_errors(json.loads(codec.dump(record)))]
    assert errors == []


def test_a_part_is_plain_data() -> None:
    """As it stands in a record: enums are words, what is None is null."""
    link = LinkState(
        name=DevName("e"), index=2, kind="veth", mac=None, mtu=1500, up=True, carrier=False
    )
    told = codec.dump_part(NodeState(name=NodeName("n"), links=(link,)))
    assert told["name"] == "n"
    (device,) = told["links"]
    assert {key: device[key] for key in ("name", "mtu", "up", "mac")} == {
        "name": "e",
        "mtu": 1500,
        "up": True,
        "mac": None,
    }
    assert json.loads(json.dumps(told)) == told


def test_the_schema_refuses_what_is_wrong() -> None:
    """It would be no help if it let everything pass."""
    data = json.loads(codec.dump(EMPTY))
    assert validator().is_valid(data)
    for wrong in ({"mode": "elsewhere"}, {"started": "noon"}, {"steps": [{"kind": "dance"}]}):
        assert not validator().is_valid(data | wrong)


@given(journeys | snapshots | events)
@settings(max_examples=_WHOLE)
def test_parts_are_plain_data(part: object) -> None:
    """What ``--json`` prints of one of them."""
    data = codec.dump_part(part)
    assert json.loads(json.dumps(data)) == data


def test_times_keep_their_nanoseconds() -> None:
    """A JSON number is written in full, never as a float."""
    assert b'"started":1700000000123456789' in codec.dump(EMPTY)


def test_bytes_are_base64() -> None:
    """Named so in the schema, and read back."""
    text = codec.dump(EMPTY).decode()
    data = json.loads(text)
    assert data["version"] == VERSION
    frame = codec.schema()["$defs"]["FrameSeen"]["properties"]["frame"]
    assert frame == {"contentEncoding": "base64", "type": "string"}


@pytest.mark.parametrize("version", [0, VERSION + 1, "1", None])
def test_another_version_is_refused(version: object) -> None:
    """By number, before anything of it is read."""
    data = json.loads(codec.dump(EMPTY)) | {"version": version, "steps": "of another shape"}
    with pytest.raises(UsageError, match=f"version {version!r}; this hopscope reads version 1"):
        codec.load(json.dumps(data))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"\xff\xfe\xfa", "codec can't decode"),
        (b"[]", "it is no JSON object"),
        (b'"1"', "it is no JSON object"),
        (b"[" * 100_000, "recursion"),
        (b'{"version": 1}', "missing required field `lab`"),
        (codec.dump(EMPTY)[:-1], "Expecting"),
        (codec.dump(EMPTY).replace(b'"sandbox"', b'"moon"'), "at mode: "),
        (
            codec.dump(EMPTY).replace(b'"nodes":[]', b'"nodes":[{"name":5}]'),
            "at initial.nodes[0].name",
        ),
    ],
)
def test_what_is_no_record_is_refused_in_words(text: bytes, why: str) -> None:
    """Where it is wrong, and what would be right."""
    with pytest.raises(UsageError) as caught:
        codec.load(text)
    assert str(caught.value).startswith("this is not a record of a run: ")
    assert why in str(caught.value)
    assert str(caught.value).endswith("a run writes one, journeys.json")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(json_values, st.sampled_from(sorted(json.loads(codec.dump(EMPTY)))))
@example(value=True, key="version")
def test_any_json_is_read_or_refused(value: object, key: str) -> None:
    """Never with a traceback."""
    text = json.dumps(json.loads(codec.dump(EMPTY)) | {key: value})
    try:
        assert isinstance(codec.load(text), Record)
    except HopscopeError as error:
        assert str(error)  # noqa: PT017 - either outcome is right


@given(st.binary(max_size=60))
def test_any_bytes_are_refused(junk: bytes) -> None:
    """No record is that short."""
    with pytest.raises(UsageError):
        codec.load(junk)
