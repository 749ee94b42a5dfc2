"""hopscope completion, as a person has it: the tab key of a shell."""

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

StartTerminal = Callable[[Sequence[str], Mapping[str, str]], Any]
PROMPT = r"READY> $"


def at_home(hopscope: Any, home: Path) -> Mapping[str, str]:
    """An environment in which hopscope is found, and a folder with a lab file is the home."""
    (home / "mine.yaml").touch()
    environment = hopscope.environment({"HOME": str(home), "XDG_CONFIG_HOME": str(home)})
    return {**environment, "PATH": f"{Path(hopscope.argv[0]).parent}:{environment['PATH']}"}


@pytest.fixture
def bash(hopscope: Any, terminal: StartTerminal, tmp_path: Path) -> Any:
    """At a prompt where the words of hopscope are known, in a folder with a lab file."""
    (tmp_path / ".inputrc").write_text("set enable-bracketed-paste off\nset bell-style none\n")
    shown = terminal(["bash", "--norc", "--noprofile", "-i"], at_home(hopscope, tmp_path))
    shown.expect(PROMPT)
    shown.command(f"cd {tmp_path}; source <(hopscope completion bash)", prompt=PROMPT)
    assert "complete -F _hopscope hopscope" in shown.command("complete -p hopscope", prompt=PROMPT)
    return shown


ZSH = """\
autoload -Uz compinit && compinit -D -u
source <(hopscope completion zsh)
told() { zle -M "<$BUFFER>" }
zle -N told
bindkey '^G' told
"""


@pytest.fixture
def zsh(hopscope: Any, terminal: StartTerminal, tmp_path: Path) -> Any:
    """The same; Ctrl-G shows the line that is being edited, between angle brackets."""
    if not shutil.which("zsh"):
        pytest.skip("there is no zsh (package zsh)")
    (tmp_path / "words.zsh").write_text(ZSH)
    shown = terminal(["zsh", "-f", "-i"], at_home(hopscope, tmp_path))
    shown.expect("READY> ")
    shown.type(f"cd {tmp_path}; source words.zsh; echo $_comps[hopscope] is-ready\r")
    shown.expect("_hopscope is-ready")
    return shown


@pytest.fixture
def fish(hopscope: Any, tmp_path: Path) -> Mapping[str, str]:
    """An environment for it."""
    if not shutil.which("fish"):
        pytest.skip("there is no fish (package fish)")
    return at_home(hopscope, tmp_path)


TYPED = pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        ("hopscope reach", "hopscope reachability "),
        ("hopscope run firewall", "hopscope run firewall-drop "),
        ("hopscope check mi", "hopscope check mine.yaml "),
        ("hopscope log x --sys", "hopscope log x --syslog "),
        ("hopscope export bridge --format=mer", "hopscope export bridge --format=mermaid "),
        ("hopscope run --out=mi", "hopscope run --out=mine.yaml "),
    ],
)


@TYPED
def test_the_tab_key_completes(bash: Any, typed: str, becomes: str) -> None:
    """Commands, labs, files, options, values."""
    bash.type(f"{typed}\t")
    assert bash.shows(becomes, within=10)


@TYPED
def test_the_tab_key_of_zsh_completes(zsh: Any, typed: str, becomes: str) -> None:
    """The same. A line that zsh edits is drawn piece by piece, so it is asked what it has."""
    zsh.type(f"{typed}\t\x07")
    assert zsh.shows(f"<{becomes}>", within=10)


@TYPED
def test_fish_completes(hopscope: Any, fish: Mapping[str, str], typed: str, becomes: str) -> None:
    """The same: what fish itself says that the line may become."""
    script = "source (hopscope completion fish | psub); complete -C $argv[1]"
    argv = ["fish", "-c", script, typed]
    done = subprocess.run(argv, env=fish, cwd=fish["HOME"], capture_output=True, check=True)
    (word,) = {line.partition(b"\t")[0].decode() for line in done.stdout.splitlines()}
    assert f"{typed.rpartition(' ')[0]} {word} " == becomes


@pytest.mark.kernel
def test_the_tab_key_knows_what_runs(hopscope: Any, bridge: str, bash: Any) -> None:
    """Labs and their nodes."""
    assert bridge == "standing"
    bash.type("hopscope ping stan\t")
    bash.expect("hopscope ping standing ")
    bash.type("ns1 ns\t2\x15")
    assert bash.shows("ns1 ns2", within=10)
