"""The reference leaves nothing out, and says what the code says."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from docpages import PAGES, ROOT, blocks, headings, links
from hopscope.cli.app import COMMANDS
from hopscope.lab.declare import built_in
from hopscope.model import codec
from hopscope.model.journey import Step
from hopscope.model.reachability import Reachability
from hopscope.model.reasons import REASONS
from hopscope.spec.schema import json_schema
from hopscope.wire.rtnl_settings import USUAL

DOCS = ROOT / "docs"
TUTORIALS = ("tutorial.md", "zh/tutorial.md")
SOURCES = sorted((ROOT / "src").rglob("*.py"))


def text(name: str) -> str:
    """A page of the documentation."""
    return (DOCS / name).read_text(encoding="utf-8")


def parts(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The named parts of a schema, and the whole under its title."""
    return {**schema["$defs"], schema["title"]: schema}


def test_made_parts_are_current() -> None:
    """Tables and schemas are what tools/reference.py would write now."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "reference.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["lab", "journeys", "reachability"])
def test_published_schemas_are_what_the_command_prints(name: str) -> None:
    """And they are schemas."""
    printed = subprocess.run(
        [Path(sys.executable).parent / "hopscope", "schema", name],
        capture_output=True,
        text=True,
        check=True,
    )
    assert text(f"schema/{name}.schema.json") == printed.stdout
    Draft202012Validator.check_schema(json.loads(printed.stdout))


def test_every_key_of_the_lab_file_is_told() -> None:
    """A key that nobody explains is a key that nobody uses."""
    page = text("lab-file.md")
    for name, part in parts(json_schema()).items():
        for key in part["properties"]:
            assert re.search(rf"^\| `{key}` \|", page, re.MULTILINE), f"{name}: {key}"


def test_every_kind_of_step_has_a_section() -> None:
    """What a hop's step may be, by its name in the JSON."""
    kinds = {str(kind.__struct_config__.tag) for kind in get_args(Step)}
    told = set(headings(DOCS / "journeys.md"))
    assert kinds <= told, kinds - told


def test_every_type_of_the_record_has_a_section() -> None:
    """Steps stand under their kind, others under their name; those of reachability have a page."""
    told = set(headings(DOCS / "journeys.md"))
    page = text("journeys.md")
    assert "(reachability.md#the-json)" in page
    for name in set(parts(codec.schema())) - set(parts(codec.schema(Reachability))):
        assert name in told or f"<!-- journeys: {name} -->" in page, name


def test_every_type_of_reachability_has_a_table() -> None:
    """On the page of that document."""
    page = text("reachability.md")
    for name in parts(codec.schema(Reachability)):
        assert f"<!-- reachability: {name} -->" in page, name


def test_every_reason_is_told() -> None:
    """The page has the codes that the code has, and no others."""
    codes = {
        code
        for source in SOURCES
        for code in re.findall(r'code="([a-z0-9-]+)"', source.read_text(encoding="utf-8"))
    }
    section = text("journeys.md").partition("### Reason")[2].partition("### Headers")[0]
    told = set(re.findall(r"^\| `([a-z0-9-]+)` \| [a-z]", section, re.MULTILINE))
    told -= set(codec.schema()["$defs"]["Reason"]["properties"])
    assert told == codes == set(REASONS)


def test_every_command_is_told() -> None:
    """With all its options, by the table that is made from them."""
    page = text("cli.md")
    for command in COMMANDS:
        assert f"<!-- cli: {command.name} -->" in page, command.name


def test_every_setting_of_a_device_that_is_compared_is_told() -> None:
    """Where it is said what no lab file declares."""
    part = text("cli.md").partition("What no lab file declares is")[2].partition("Left as they")[0]
    missing = [one for one in USUAL if not re.search(rf"\b{one.rpartition('.')[2]}\b", part)]
    assert missing == []


@pytest.mark.parametrize("page", [DOCS / "cli.md", ROOT / "README.md"], ids=lambda page: page.name)
def test_every_built_in_lab_is_told(page: Path) -> None:
    """Where one looks for what can be run."""
    told = page.read_text(encoding="utf-8")
    for name in built_in():
        assert f"`{name}`" in told, name


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Files are there, and headings too; what lies outside is not asked."""
    for link in links(page):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in {slug(heading) for heading in headings(target)}, link


def test_every_page_is_in_the_contents() -> None:
    """mkdocs.yml names all pages but those of decisions, which have a list of their own."""
    contents = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    decisions = text("decisions/README.md")
    for page in sorted(DOCS.rglob("*.md")):
        name = str(page.relative_to(DOCS))
        decision = page.parent.name == "decisions" and page.name != "README.md"
        assert page.name in decisions if decision else name in contents, name


def test_targets_of_make_exist() -> None:
    """What a page tells the reader to make."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in PAGES:
        for target in re.findall(r"`make ([a-z-]+)`", page.read_text(encoding="utf-8")):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page.name}: {target}"


def test_nothing_names_where_it_was_written() -> None:
    """Paths and names of one machine mean nothing to a reader."""
    forbidden = re.compile(r"/work\b|/root\b|/home/\w|r-seed|\bfc-v\d|6\.18\.\d", re.IGNORECASE)
    files = [*PAGES, ROOT / "mkdocs.yml", *(DOCS / "schema").iterdir(), *DOCS.rglob("*.svg")]
    for file in files:
        found = forbidden.search(file.read_text(encoding="utf-8"))
        assert found is None, f"{file.name}: {found}"


def test_every_picture_says_what_it_shows() -> None:
    """In words, for those who do not see it."""
    for page in PAGES:
        for words, _file in re.findall(r"!\[(.*?)\]\((.*?)\)", page.read_text(encoding="utf-8")):
            assert len(words) > 20, f"{page.name}: {words!r}"


def test_the_chinese_tutorial_has_the_same_examples() -> None:
    """They are tried out in the English one."""
    english, chinese = ([b.text for b in blocks(DOCS / name)] for name in TUTORIALS)
    assert chinese == english
