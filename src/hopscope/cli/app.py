"""The commands, their options and their help; each does its work elsewhere."""

from textwrap import wrap
from typing import Annotated, Optional

import typer

from hopscope.cli.hints import built_in_labs
from hopscope.cli.usage import PlainCommand
from hopscope.model.vocab import TABLES

__all__ = ["app"]

app = typer.Typer(
    help="Build a container network in milliseconds, send a packet, "
    "and see every hop it takes: predicted, observed, explained.",
    epilog="Begin with: hopscope run bridge",
    no_args_is_help=True,
    subcommand_metavar="COMMAND …",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its panels cost a tenth of a second of every --help
    context_settings={"help_option_names": ["-h", "--help"]},
)
_LABS = "\b\nBuilt-in labs:\n" + "\n".join(
    wrap(
        ", ".join(built_in_labs()),
        initial_indent="  ",
        subsequent_indent="  ",
        break_on_hyphens=False,
    )
)
LabArgument = Annotated[
    str, typer.Argument(metavar="LAB", help="A built-in lab's name (bridge) or a lab file.")
]
Running = Annotated[str, typer.Argument(metavar="LAB", help="The name of a running lab.")]
Name = Annotated[
    Optional[str],  # noqa: UP045 - typer reads it at run time
    typer.Option(
        "--name", metavar="NAME", help="Run it under this name; the default is the lab's own."
    ),
]
OnHost = Annotated[
    bool,
    typer.Option("--on-host", help="The node 'host' is this machine's real network (root)."),
]
AsLines = Annotated[bool, typer.Option("--json", help="Print JSON, one document per line.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Also hooks without chains, and rules not matched.")
]
Promiscuous = Annotated[
    bool,
    typer.Option(
        help="Watch bridges promiscuously, so that a capture shows forwarded frames on the "
        "bridge too. It makes the bridge pass itself a copy of each frame."
    ),
]


@app.command(cls=PlainCommand, epilog=_LABS)
def run(
    lab: LabArgument,
    name: Name = None,
    out: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--out", metavar="DIR", help="Default: ./hopscope-out/NAME"),
    ] = None,
    *,
    on_host: OnHost = False,
    promiscuous: Promiscuous = True,
    verbose: Verbose = False,
    quiet: Quiet = False,
    json: AsJson = False,
) -> None:
    """Build a lab, perform its story, explain every hop.

    A folder of evidence is left: report.html, capture.pcapng, iptables.log, journeys.json.

    Exit status: 0 when every expectation held, 1 when one failed, 2 for a mistake in the
    lab file or the call, 3 when this machine cannot.
    """
    from hopscope.cli import running

    running.run(
        lab,
        name,
        out,
        on_host=on_host,
        promiscuous=promiscuous,
        verbose=verbose,
        quiet=quiet,
        json=json,
    )


@app.command(cls=PlainCommand, epilog=_LABS)
def up(
    lab: LabArgument, name: Name = None, *, on_host: OnHost = False, quiet: Quiet = False
) -> None:
    """Build a lab and leave it standing, until `hopscope down`."""
    from hopscope.cli import running

    running.up(lab, name, on_host=on_host, quiet=quiet)


@app.command(cls=PlainCommand)
def down(lab: Running, *, quiet: Quiet = False) -> None:
    """End a running lab and every process in it."""
    from hopscope.cli import running

    running.down(lab, quiet=quiet)


@app.command("ls", cls=PlainCommand)
def list_labs(*, json: AsJson = False) -> None:
    """List the running labs."""
    from hopscope.cli import running

    running.list_labs(json=json)


@app.command(
    "exec",
    cls=PlainCommand,
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
    },
)
def execute(
    lab: Running,
    node: Annotated[str, typer.Argument(metavar="NODE")],
    command: Annotated[list[str], typer.Argument(metavar="-- CMD [ARG…]")],
) -> None:
    """Run a command in a node; its exit status and signals pass through."""
    from hopscope.cli import entering

    entering.execute(lab, node, command)


@app.command(cls=PlainCommand)
def shell(
    lab: Running,
    node: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="[NODE]", help="Default: host, or the first node."),
    ] = None,
) -> None:
    """Open a shell in a lab.

    In it ip netns, brctl, iptables and tcpdump work as on a real host.
    """
    from hopscope.cli import entering

    entering.shell(lab, node)


@app.command("set", cls=PlainCommand)
def set_sysctl(
    lab: Running,
    node: Annotated[str, typer.Argument(metavar="NODE")],
    assignments: Annotated[list[str], typer.Argument(metavar="KEY=VALUE…")],
) -> None:
    """Set sysctls in a node, as net.bridge.bridge-nf-call-iptables=1."""
    from hopscope.cli import reading

    reading.set_sysctls(lab, node, assignments)


@app.command(cls=PlainCommand)
def show(
    lab: Running,
    what: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(metavar="[TABLE…]", help=f"Of {', '.join(TABLES)}; default: topology."),
    ] = None,
    node: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--node", "-n", metavar="NODE", help="Only this node; may be repeated."),
    ] = None,
    *,
    json: AsJson = False,
) -> None:
    """Show tables of a running lab as its kernel holds them now."""
    from hopscope.cli import reading

    reading.show(lab, what or ["topology"], node or [], json=json)


@app.command(cls=PlainCommand)
def ping(
    lab: Running,
    source: Annotated[str, typer.Argument(metavar="FROM", help="A node.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="A node, or an address.")],
    count: Annotated[
        int, typer.Option("--count", "-c", metavar="N", min=1, max=1000, help="How many requests.")
    ] = 1,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout", "-W", metavar="SECONDS", min=0.01, help="To wait for each reply."
        ),
    ] = 1.0,
    size: Annotated[
        int,
        typer.Option("--size", "-s", metavar="BYTES", min=12, max=65_507, help="Of the payload."),
    ] = 56,
    *,
    promiscuous: Promiscuous = True,
    verbose: Verbose = False,
    json: AsJson = False,
) -> None:
    """Ping from a node and explain every hop. Exit status 1 when a reply is missing."""
    from hopscope.cli import reading

    reading.ping(
        lab,
        source,
        target,
        count=count,
        timeout=timeout,
        size=size,
        promiscuous=promiscuous,
        verbose=verbose,
        json=json,
    )


@app.command(cls=PlainCommand)
def log(
    lab: Running,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come.")] = False,
    syslog: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--syslog",
            metavar="[ADDRESS]",
            help="Hand the lines to a syslog (RFC 5424): a socket's path, udp://HOST:PORT, "
            "tcp://HOST:PORT, or 'local' for /dev/log, which is also meant without an address.",
        ),
    ] = None,
    facility: Annotated[
        str, typer.Option("--facility", metavar="NAME", help="With --syslog.")
    ] = "kern",
    level: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--level", metavar="NAME", help="With --syslog; the default is each rule's own."
        ),
    ] = None,
    json: AsLines = False,
) -> None:
    """Print what LOG rules reported, as the kernel would.

    With --syslog the lines are handed over instead.
    """
    from hopscope.cli import logging

    logging.log(lab, follow=follow, syslog=syslog, facility=facility, level=level, json=json)


@app.command(cls=PlainCommand)
def check(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A lab file; '-' reads standard input.")
    ],
    *,
    json: AsJson = False,
) -> None:
    """Check a lab file: all mistakes at once, with line and column. Exit status 2 if any."""
    from hopscope.cli import files

    files.check(file, json=json)


@app.command(cls=PlainCommand)
def schema(
    what: Annotated[
        str, typer.Argument(metavar="[lab|journeys]", help="Which document's schema.")
    ] = "lab",
) -> None:
    """Print the JSON Schema of the lab file or of journeys.json."""
    from hopscope.cli import files

    files.schema(what)


@app.command(cls=PlainCommand)
def doctor(*, json: AsJson = False) -> None:
    """Say what this machine can do, and how to mend what it cannot."""
    from hopscope.cli import doctor as examination

    examination.doctor(json=json)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"hopscope {version('hopscope')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    del version
