"""hopscope completion, as a person has it: the tab key of an interactive bash."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

StartTerminal = Callable[[Sequence[str], Mapping[str, str]], Any]
PROMPT = r"READY> $"


@pytest.fixture
def bash(hopscope: Any, terminal: StartTerminal, tmp_path: Path) -> Any:
    """At a prompt where the words of hopscope are known, in a folder with a lab file."""
    (tmp_path / "mine.yaml").touch()
    (tmp_path / ".inputrc").write_text("set enable-bracketed-paste off\nset bell-style none\n")
    folder = str(Path(hopscope.argv[0]).parent)
    environment = hopscope.environment({"HOME": str(tmp_path)})
    path = f"{folder}:{environment['PATH']}"
    shown = terminal(["bash", "--norc", "--noprofile", "-i"], {**environment, "PATH": path})
    shown.expect(PROMPT)
    shown.command(f"cd {tmp_path}; source <(hopscope completion bash)", prompt=PROMPT)
    assert "complete -F _hopscope hopscope" in shown.command("complete -p hopscope", prompt=PROMPT)
    return shown


@pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        ("hopscope reach", "hopscope reachability "),
        ("hopscope run firewall", "hopscope run firewall-drop "),
        ("hopscope check mi", "hopscope check mine.yaml "),
        ("hopscope log x --sys", "hopscope log x --syslog "),
        ("hopscope export bridge --format=mer", "hopscope export bridge --format=mermaid "),
    ],
)
def test_the_tab_key_completes(bash: Any, typed: str, becomes: str) -> None:
    """Commands, labs, files, options, values."""
    bash.type(f"{typed}\t")
    assert bash.shows(becomes, within=10)


@pytest.mark.kernel
def test_the_tab_key_knows_what_runs(hopscope: Any, bridge: str, bash: Any) -> None:
    """Labs and their nodes."""
    assert bridge == "standing"
    bash.type("hopscope ping stan\t")
    bash.expect("hopscope ping standing ")
    bash.type("ns1 ns\t2\x15")
    assert bash.shows("ns1 ns2", within=10)
