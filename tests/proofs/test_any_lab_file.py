"""Random and mutated lab files: each is a lab, or is told what is wrong, and where, in time."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, example, given, seed, settings
from hypothesis import strategies as st

from anytext import SPICE, changed_tree, nearly, pieces, swollen, swollen_tree, words
from command import HOPSCOPE
from docpages import PAGES, ROOT, blocks
from hopscope import SpecError
from hopscope.lab.declare import built_in, parse, source_of, sysctl_listing
from hopscope.render.exports.yamltext import dumped
from hopscope.spec import json_schema
from hopscope.spec.source import read
from hopscope.spec.tree import plain
from proofsizes import SEED, size
from randomlabs import random_labs
from soundness import sound
from strangers import STRANGERS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(size(120, 7200))]

FILES: Final = [
    *built_in().values(),
    *(stranger.text for stranger in STRANGERS.values()),
    *(b.text for page in PAGES for b in blocks(page) if b.language == "yaml" and b.title),
]
"""Every lab of this repository."""

KNOWN: Final = sorted({piece for text in FILES for piece in pieces(text)})
TREES: Final = [plain(read(text, "lab.yaml").tree) for text in built_in().values()]
SEVERAL_WAYS: Final = {
    "name": "ways",
    "nodes": {
        "a": {
            "addresses": {"e0": ["10.0.0.1/16", "fd00::1/64"]},
            "routes": [
                {"to": "10.9.0.0/16", "nexthops": ["via 10.0.0.2", {"via": "10.0.0.3"}]},
                {"to": "fd09::/64", "nexthops": ["via fd00::2"]},
            ],
        },
        "b": {"addresses": {"e0": "10.0.0.2/16"}},
    },
    "links": [["a:e0", "b:e0"]],
}
FUZZED: Final = size(1_500, 100_000)


TEXTS: Final = st.sampled_from([text.encode() for text in FILES]) | st.binary(max_size=40)


def tried(small: int, full: int) -> settings:
    """So many examples; more than enough for one is told anyway, so nothing is shrunk for long."""
    return settings(
        max_examples=size(small, full),
        database=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@seed(SEED)
@tried(50, 3_000)
@given(st.binary(max_size=400) | st.text(max_size=300).map(str.encode))
def test_any_bytes(data: bytes) -> None:
    sound(data, sysctl_listing)


@seed(SEED)
@tried(50, 3_000)
@given(words(KNOWN))
def test_any_words_in_any_order(text: str) -> None:
    sound(text, sysctl_listing)


@seed(SEED)
@tried(150, 10_000)
@given(nearly(FILES, most=6))
def test_any_lab_with_a_few_mistakes(text: str) -> None:
    sound(text, sysctl_listing)


@seed(SEED)
@tried(50, 3_000)
@given(st.sampled_from(TREES).flatmap(changed_tree))
def test_any_lab_with_parts_of_another_kind(tree: object) -> None:
    """As JSON, which is YAML."""
    sound(json.dumps(tree), sysctl_listing)


@seed(SEED)
@tried(5, 399)
@example(swollen(SEVERAL_WAYS, ("nodes", "a", "routes", 0, "nexthops"), 5_000))
@given(st.sampled_from([*TREES, SEVERAL_WAYS]).flatmap(swollen_tree))
def test_any_lab_with_a_very_long_list(tree: object) -> None:
    """What has room for some has no room for thousands, or for all of them."""
    sound(json.dumps(tree), sysctl_listing)


@seed(SEED)
@tried(30, 1_000)
@given(random_labs())
def test_any_lawful_lab(tree: dict[str, object]) -> None:
    """It is one."""
    assert sound(dumped(tree), sysctl_listing) == ""


@seed(SEED)
@tried(50, 3_000)
@given(name=st.binary(min_size=1, max_size=250) | st.text(max_size=60).map(str.encode), text=TEXTS)
@example(name=b"c\xff.yaml", text=b"name: one\nnodes: {a: {}}\n")
def test_any_name_of_a_file(
    tmp_path_factory: pytest.TempPathFactory, name: bytes, text: bytes
) -> None:
    """It is read, or what is wrong is told in a line that can be written anywhere."""
    folder = tmp_path_factory.mktemp("named")
    path = os.fsencode(folder) + b"/" + name.translate(None, b"/\0")
    if os.path.isdir(path):  # noqa: PTH112 - of bytes
        return
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(text)
    try:
        assert (parse(*source_of(os.fsdecode(path))).file or "\n").isprintable()
    except SpecError as error:
        for problem in error.problems:
            assert str(problem.place).isprintable()
            assert str(problem).encode()


@pytest.mark.parametrize("command", ["check", "plan", "import"])
@pytest.mark.parametrize("file", ["/dev/zero", "/dev/urandom", "/dev/null", "/proc/self/mem", "/"])
def test_any_device(command: str, file: str) -> None:
    """Also as standard input; in as much memory as such a command may take."""
    limited: list[str | Path] = [
        "sh",
        "-c",
        'ulimit -v 4000000; exec "$@"',
        "sh",
        HOPSCOPE,
        command,
    ]
    for named, stdin in ((file, os.devnull), ("-", file)):
        given_in = os.open(stdin, os.O_RDONLY)
        done = subprocess.run(
            [*limited, named],
            stdin=given_in,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        os.close(given_in)
        assert done.returncode in (1, 2, 3), done.stderr
        assert "Traceback" not in done.stderr
        assert done.stderr


@pytest.mark.skipif(not importlib.util.find_spec("atheris"), reason="atheris is not installed")
def test_what_a_fuzzer_finds(tmp_path: Path) -> None:
    """It begins with every lab there is, and keeps what reaches code not reached yet."""
    corpus, found = tmp_path / "corpus", tmp_path / "found"
    corpus.mkdir()
    found.mkdir()
    for number, text in enumerate(FILES):
        (corpus / str(number)).write_text(text)
    dictionary = tmp_path / "words"
    dictionary.write_text("".join(f'"{word}"\n' for word in _words()))
    options = [f"-runs={FUZZED}", f"-seed={SEED}", f"-dict={dictionary}", "-timeout=60"]
    options += ["-max_len=6000", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("fuzzer.py"), found, corpus, *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
    )
    told = done.stderr + done.stdout
    bad = [file.read_bytes() for file in tmp_path.glob("*-*") if file.is_file()]
    assert done.returncode == 0, f"seed {SEED}: {bad}\n{told[-4000:]}"
    assert f"Done {FUZZED} runs" in told


def _words() -> set[str]:
    """What a fuzzer writes as a whole, in libFuzzer's spelling."""
    schema = re.findall(r'"([a-z_0-9-]{2,20})"', json.dumps(json_schema()))
    usual = {word for word in [*KNOWN, *schema] if re.fullmatch(r"[\w.-]{2,24}", word)}
    return usual | {"".join(f"\\x{byte:02x}" for byte in word.encode()) for word in SPICE}
