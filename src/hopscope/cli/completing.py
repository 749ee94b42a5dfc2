"""completion: what a shell asks to complete a call, and what it is answered.

The shell hands over the words up to the cursor. It is told a word in each line, with what that
means behind a tab, and ``:files`` where it shall offer files as it does.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Final

from hopscope.cli.app import COMMANDS, SHELLS
from hopscope.cli.hints import built_in_labs
from hopscope.cli.manual import OPTIONS
from hopscope.cli.words import Command, Offer, Option
from hopscope.errors import UsageError

__all__ = ["completion", "offered"]

_FILES: Final = ":files"
_SCRIPTS: Final = {
    "bash": r"""# hopscope's words, for bash: source <(hopscope completion bash)
_hopscope() {
    local line cur=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line == :files ]]; then
            compopt -o filenames
            while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$cur")
        else
            COMPREPLY+=("${line%%$'\t'*}")
        fi
    done < <("${COMP_WORDS[0]/#\~/$HOME}" completion bash -- \
        "${COMP_WORDS[@]:1:COMP_CWORD}" 2> /dev/null)
}
complete -F _hopscope hopscope
""",
    "zsh": r"""# hopscope's words, for zsh, after compinit: source <(hopscope completion zsh)
_hopscope() {
    local line files=''
    local -a found
    for line in "${(@f)$(${words[1]} completion zsh -- "${(@)words[2,CURRENT]}" 2> /dev/null)}"; do
        case $line in
            '') ;;
            :files) files=1 ;;
            *$'\t'*) found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
            *) found+=("${line//:/\\:}") ;;
        esac
    done
    (( $#found )) && _describe hopscope found
    [[ -n $files ]] && { compset -P '--*='; _files }
}
compdef _hopscope hopscope
""",
    "fish": r"""# hopscope's words, for fish: ~/.config/fish/completions/hopscope.fish
function __hopscope
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    test -n "$current"; or set current ''
    $before[1] completion fish -- $before[2..-1] $current 2> /dev/null | while read -l line
        if test "$line" = :files
            set -l head (string match -r '^--[^=]*=' -- $current)
            for path in (__fish_complete_path (string replace -r '^--[^=]*=' '' -- $current))
                echo "$head$path"
            end
        else
            echo $line
        end
    end
end
complete -c hopscope -f -a '(__hopscope)'
""",
}


def completion(shell: str, words: Sequence[str]) -> None:
    """The script, or with *words*, of which the last is being typed, what that may be."""
    if shell not in SHELLS:
        near = get_close_matches(shell, SHELLS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"one of: {', '.join(SHELLS)}"
        message = f"no words for {shell!r}; {hint}"
        raise UsageError(message)
    lines = offered(words) if words else [_SCRIPTS[shell].rstrip("\n")]
    sys.stdout.writelines(f"{line}\n" for line in lines)


def offered(words: Sequence[str]) -> Iterator[str]:
    """What the last of *words* may become, with what it means behind a tab; `_FILES` at the end."""
    *before, typed = words
    if not before:
        told = [f"{command.name}\t{command.help}" for command in COMMANDS]
        yield from _beginning(typed, [*told, *_named(OPTIONS)])
        return
    command = next((one for one in COMMANDS if one.name == before[0]), None)
    if command is not None:
        yield from _in(command, before[1:], typed)


def _in(command: Command, before: Sequence[str], typed: str) -> Iterator[str]:
    before = [word for word in before if word != "="]  # where bash parts --name=value
    option, arguments, dashes = _read(command, before)
    if option is not None:
        yield from _of(option.offers, "" if typed == "=" else typed, arguments)
    elif dashes and (valued := _valued(command, typed)) is not None:
        name, value = typed.split("=", 1)
        for word in _of(valued.offers, value, arguments):
            yield word if word == _FILES else f"{name}={word}"
    elif dashes and typed.startswith("-"):
        yield from _beginning(typed, _named([*command.options, OPTIONS[-1]]))
    else:
        places = command.arguments
        at = len(arguments)
        if places and (at < len(places) or places[-1].many):
            yield from _of(places[min(at, len(places) - 1)].offers, typed, arguments)


def _valued(command: Command, typed: str) -> Option | None:
    """The option whose value is typed behind ``=``, by a shell to which that is one word."""
    name, equals, _value = typed.partition("=")
    return next(
        (one for one in command.options if equals and name in one.names and one.metavar), None
    )


def _read(command: Command, before: Sequence[str]) -> tuple[Option | None, list[str], bool]:
    """The option whose value comes next, the arguments so far, and whether an option may come."""
    by_name = {name: option for option in command.options for name in option.names}
    awaits: Option | None = None
    arguments: list[str] = []
    for at, word in enumerate(before):
        if word == "--":
            return None, [*arguments, *before[at + 1 :]], False
        if awaits is not None:
            awaits = None
        elif word.startswith("-") and word != "-":
            option = by_name.get(word)
            awaits = option if option is not None and option.metavar and not option.bare else None
        else:
            arguments.append(word)
    over = command.passes_on and len(arguments) >= len(command.arguments)
    return awaits, arguments, not over


def _of(offers: Sequence[str | Offer], typed: str, arguments: Sequence[str]) -> Iterator[str]:
    """Words that begin so, each of several that stand with commas between them."""
    done, comma, last = typed.rpartition(",")
    words = [
        word for offer in offers if offer is not Offer.FILES for word in _words(offer, arguments)
    ]
    yield from (f"{done}{comma}{word}" for word in _beginning(last, words))
    if Offer.FILES in offers:
        yield _FILES


def _words(offer: str | Offer, arguments: Sequence[str]) -> Sequence[str]:
    from hopscope.kernel import state

    match offer:
        case Offer.BUILT_IN:
            return built_in_labs()
        case Offer.RUNNING:
            return [lab.name for lab in state.living() if lab.name not in arguments]
        case Offer.NODES:
            return next((lab.nodes for lab in state.running() if lab.name in arguments[:1]), ())
        case Offer.FILES:
            return ()
        case _:
            return (offer,)


def _named(options: Iterable[Option]) -> list[str]:
    """Their long names."""
    return [
        f"{name}\t{option.help}"
        for option in options
        for name in (option.names[0], option.off)
        if name
    ]


def _beginning(typed: str, words: Iterable[str]) -> Iterator[str]:
    return (word for word in words if word.startswith(typed))
