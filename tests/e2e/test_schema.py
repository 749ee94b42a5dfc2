"""hopscope schema: JSON Schemas that real documents fit."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from hopscope.lab.declare import built_in


def printed(hopscope: Any, *what: str) -> dict[str, Any]:
    """The schema that it prints."""
    done = hopscope("schema", *what)
    assert (done.returncode, done.stderr) == (0, "")
    schema: dict[str, Any] = json.loads(done.stdout)
    return schema


def test_the_schema_of_lab_files_is_the_default(hopscope: Any) -> None:
    assert printed(hopscope) == printed(hopscope, "lab")


@pytest.mark.parametrize("name", built_in())
def test_built_in_labs_fit_it(hopscope: Any, name: str) -> None:
    """And one with a key that there is not does not."""
    schema = printed(hopscope, "lab")
    jsonschema.Draft202012Validator.check_schema(schema)
    lab = YAML(typ="safe").load(built_in()[name])
    jsonschema.validate(lab, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**lab, "nods": {}}, schema)


@pytest.mark.kernel
def test_a_record_fits_the_schema_of_records(hopscope: Any, tmp_path: Path) -> None:
    """What `run` leaves as journeys.json."""
    schema = printed(hopscope, "journeys")
    jsonschema.Draft202012Validator.check_schema(schema)
    done = hopscope("run", "bridge", "--out", str(tmp_path), "--quiet")
    assert done.returncode == 0
    record = json.loads((tmp_path / "journeys.json").read_text())
    jsonschema.validate(record, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**record, "version": "one"}, schema)


def test_one_that_there_is_not_is_named(hopscope: Any) -> None:
    done = hopscope("schema", "jorneys")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "hopscope: no schema of 'jorneys'; did you mean 'journeys'?\n"
    assert "there is one of: lab, journeys" in hopscope("schema", "x").stderr
