"""The commands: one entry each, with what it is called with and the function that does it.

A new command is an entry here, a function in a module of `hopscope.cli`, and a section of
docs/cli.md with ``<!-- cli: NAME -->``. Help, parsing and the reference follow from the entry.
"""

from typing import Final

from hopscope.cli.hints import built_in_labs
from hopscope.cli.words import (
    AS_JSON,
    LAB,
    NAME,
    NODE,
    ON_HOST,
    PROMISCUOUS,
    QUIET,
    RUNNING,
    VERBOSE,
    Argument,
    Command,
    Number,
    Offer,
    Option,
)
from hopscope.model.tables import TABLES

__all__ = ["COMMANDS", "SHELLS"]

SHELLS: Final = ("bash", "zsh", "fish")
"""Those that complete."""

COMMANDS: Final = (
    Command(
        "run",
        "running.run",
        "Build a lab, perform its story, explain every hop.",
        (
            LAB,
            NAME,
            Option(("--out",), "Default: ./hopscope-out/NAME", "DIR", offers=(Offer.FILES,)),
            ON_HOST,
            PROMISCUOUS,
            VERBOSE,
            QUIET,
            AS_JSON,
        ),
        more="A folder of evidence is left: report.html, capture.pcapng, iptables.log, "
        "journeys.json.\n\n"
        "Exit status: 0 when every expectation held, 1 when one failed, 2 for a mistake in the "
        "lab file or the call, 3 when this machine cannot.",
        lists=("Built-in labs", built_in_labs),
    ),
    Command(
        "up",
        "running.up",
        "Build a lab and leave it standing, until `hopscope down`.",
        (LAB, NAME, ON_HOST, QUIET),
        more="A lab that is up already becomes what the file says now: what differs is changed, "
        "and processes in its nodes go on.",
        lists=("Built-in labs", built_in_labs),
    ),
    Command(
        "plan",
        "changing.plan",
        "Say what `up` would do, and why; nothing is done.",
        (LAB, NAME, ON_HOST, AS_JSON),
        lists=("Built-in labs", built_in_labs),
    ),
    Command(
        "diff",
        "changing.diff",
        "Say how a running lab differs from what it declares.",
        (RUNNING, AS_JSON),
        more="Exit status 1 when it does; `hopscope up` mends it.",
    ),
    Command(
        "down",
        "running.down",
        "End running labs and every process in them.",
        (
            Argument("[LAB…]", "The names of running labs.", offers=(Offer.RUNNING,)),
            Option(("--all",), "Every lab that does not end with its run.", keyword="every"),
            QUIET,
        ),
    ),
    Command(
        "ls",
        "running.list_labs",
        "List the running labs.",
        (AS_JSON,),
    ),
    Command(
        "exec",
        "entering.execute",
        "Run a command in a node; exit status and signals pass through.",
        (
            RUNNING,
            NODE,
            Argument("-- CMD [ARG…]", "The command and its own arguments.", offers=(Offer.FILES,)),
        ),
        passes_on=True,
    ),
    Command(
        "shell",
        "entering.shell",
        "Open a shell in a lab.",
        (RUNNING, Argument("[NODE]", "Default: host, or the first node.", offers=(Offer.NODES,))),
        more="In it ip netns, brctl, iptables and tcpdump work as on a real host.",
    ),
    Command(
        "set",
        "reading.set_sysctls",
        "Set sysctls in a node, as net.bridge.bridge-nf-call-iptables=1.",
        (RUNNING, NODE, Argument("KEY=VALUE…", "A sysctl, and what it shall be.")),
    ),
    Command(
        "show",
        "reading.show",
        "Show tables of a running lab as its kernel holds them now.",
        (
            RUNNING,
            Argument("[TABLE…]", f"Of {', '.join(TABLES)}.", ("topology",), TABLES),
            Option(
                ("--node", "-n"),
                "Only these; may be repeated.",
                "NODE,…",
                several=True,
                keyword="nodes",
                offers=(Offer.NODES,),
            ),
            AS_JSON,
        ),
    ),
    Command(
        "ping",
        "reading.ping",
        "Ping from a node and explain every hop.",
        (
            RUNNING,
            Argument("FROM", "A node.", offers=(Offer.NODES,)),
            Argument("TO", "A node, or an address.", offers=(Offer.NODES,)),
            Option(("--count", "-c"), "How many requests.", "N", Number(int, 1, 1000), 1),
            Option(
                ("--timeout", "-W"), "To wait for each reply.", "SECONDS", Number(float, 0.01), 1.0
            ),
            Option(("--size", "-s"), "Of the payload.", "BYTES", Number(int, 12, 65_507), 56),
            PROMISCUOUS,
            VERBOSE,
            AS_JSON,
        ),
        more="Exit status 1 when a reply is missing.",
    ),
    Command(
        "reachability",
        "reachability.reachability",
        "Probe every pair of nodes, and explain those that fail.",
        (
            Argument(
                "LAB",
                "A running lab's name; else a built-in's, or a lab file; '-' is standard input.",
                offers=(Offer.RUNNING, Offer.BUILT_IN, Offer.FILES),
            ),
            Option(
                ("--from",), "Only from these.", "NODE,…", keyword="froms", offers=(Offer.NODES,)
            ),
            Option(
                ("--to",), "Only to these, nodes or addresses.", "NODE,…", offers=(Offer.NODES,)
            ),
            Option(
                ("--proto",),
                "icmp, tcp or udp.",
                "PROTOCOL",
                default="icmp",
                offers=("icmp", "tcp", "udp"),
            ),
            Option(("--port",), "For tcp and udp.", "N", Number(int, 1, 65_535)),
            Option(
                ("--timeout", "-W"),
                "To wait for what is late.",
                "SECONDS",
                Number(float, 0.01, 60),
                1.0,
            ),
            Option(("--arp",), "Nodes resolve their neighbours themselves, however many."),
            Option(
                ("--picture",),
                "Draw a heat map (SVG); - is standard output.",
                "FILE",
                offers=(Offer.FILES,),
            ),
            NAME,
            AS_JSON,
        ),
        more="A lab that does not run is built, and taken down again.\n\n"
        "Exit status: 0 when every pair is reached, 1 when one is not.",
        lists=("Built-in labs", built_in_labs),
    ),
    Command(
        "test",
        "testing.test",
        "Run labs as tests, side by side, each in a sandbox of its own.",
        (
            Argument(
                "FILE…",
                "Lab files, folders of them, names of built-in labs; '-' is standard input.",
                offers=(Offer.BUILT_IN, Offer.FILES),
            ),
            Option(
                ("-k",),
                "Only labs whose file or name has the words, as in 'bridge and not ip6'.",
                "EXPRESSION",
            ),
            Option(("--exitfirst", "-x"), "Stop after the first lab in which something fails."),
            Option(
                ("--jobs", "-j"),
                "How many at a time; the default is one for each core.",
                "N",
                Number(int, 1, 1000),
            ),
            Option(
                ("--junit-xml",),
                "Also write what became of them for a CI.",
                "FILE",
                offers=(Offer.FILES,),
            ),
            Option(
                ("--out",),
                "Keep the evidence of each lab that fails, beneath it.",
                "DIR",
                offers=(Offer.FILES,),
            ),
            Option(("--keep-all",), "With --out: of each lab, whatever becomes of it."),
            Option(("--verbose", "-v"), "A line for each case."),
            Option(("--quiet", "-q"), "Only what failed, and the count."),
            AS_JSON,
        ),
        more="A case is a step of a story that expects something. A lab without one asserts "
        "nothing, and passes when it can be performed.\n\n"
        "Exit status: 0 when every expectation held, 1 when one failed, 2 for a mistake in a lab "
        "file or the call, 3 when this machine cannot, 5 when there is no lab.",
        lists=("Built-in labs", built_in_labs),
    ),
    Command(
        "log",
        "logging.log",
        "Print what LOG rules reported, as the kernel would.",
        (
            RUNNING,
            Option(("--follow", "-f"), "Go on as lines come."),
            Option(
                ("--syslog",),
                "Hand the lines to a syslog (RFC 5424): a socket's path, udp://HOST:PORT, "
                "tcp://HOST:PORT, or 'local' for /dev/log, which is also meant without an address.",
                "[ADDRESS]",
                bare="local",
            ),
            Option(("--facility",), "With --syslog.", "NAME", default="kern"),
            Option(("--level",), "With --syslog; the default is each rule's own.", "NAME"),
            Option(("--json",), "Print JSON, one document per line."),
        ),
        more="With --syslog the lines are handed over instead.",
    ),
    Command(
        "ps",
        "processes.ps",
        "List the processes of a running lab, and how they fare.",
        (RUNNING, AS_JSON),
    ),
    Command(
        "logs",
        "processes.logs",
        "Print what the processes of a running lab print.",
        (
            RUNNING,
            Argument(
                "[NODE[/PROCESS]]",
                "Only of this node, or this process of it.",
                offers=(Offer.NODES,),
            ),
            Option(("--follow", "-f"), "Go on as lines come."),
            Option(("--tail",), "At first only so many last lines of each.", "N", Number(int, 0)),
        ),
    ),
    Command(
        "check",
        "files.check",
        "Check a lab file: all mistakes at once, with line and column.",
        (
            Argument("FILE", "A lab file; '-' reads standard input.", offers=(Offer.FILES,)),
            Option(("--rules",), "Also try the firewall rules, in a sandbox that is let go."),
            AS_JSON,
        ),
        more="Exit status 2 if there is any.",
    ),
    Command(
        "schema",
        "files.schema",
        "Print the JSON Schema of lab files, journeys or reachability.",
        (
            Argument(
                "[lab|journeys|reachability]",
                "Which document's schema.",
                "lab",
                ("lab", "journeys", "reachability"),
            ),
        ),
    ),
    Command(
        "export",
        "interchange.export",
        "Write a lab as a shell script, a picture or a topology file.",
        (
            Argument(
                "LAB",
                "A built-in lab's name, a lab file or a running lab's name; '-' is standard input.",
                offers=(Offer.BUILT_IN, Offer.RUNNING, Offer.FILES),
            ),
            Option(
                ("--format",),
                "sh, mermaid, dot, svg or containerlab. Default: as FILE ends, else sh.",
                "FORMAT",
                keyword="form",
                offers=("sh", "mermaid", "dot", "svg", "containerlab"),
            ),
            Option(("--out",), "Default: standard output.", "FILE", offers=(Offer.FILES,)),
            Option(("--image",), "Of containerlab's nodes.", "IMAGE"),
        ),
        lists=("Built-in labs", built_in_labs),
    ),
    Command(
        "import",
        "interchange.import_lab",
        "Make a lab file of a topology file, or of what a script builds.",
        (
            Argument(
                "FILE",
                "YAML of containerlab or netlab, or a script; '-' is standard input.",
                offers=(Offer.FILES,),
            ),
            Argument("[ARG…]", "Of the script.", offers=(Offer.FILES,)),
            Option(
                ("--format",),
                "containerlab, netlab or sh. Default: what it looks like.",
                "FORMAT",
                keyword="form",
                offers=("containerlab", "netlab", "sh"),
            ),
            Option(("--out",), "Default: standard output.", "LAB.yaml", offers=(Offer.FILES,)),
            Option(("--name",), "Of the lab; default: the file's own.", "NAME"),
            Option(
                ("--timeout",),
                "For a script.",
                "SECONDS",
                Number(float, 0.1),
                60.0,
                keyword="seconds",
            ),
            Option(
                ("--uplink",),
                "A script finds this device, and through it a default route to the node internet.",
                "DEVICE",
            ),
        ),
        more="A script is run, in a sandbox where it can change nothing else. What a lab file "
        "cannot hold is listed on standard error.",
    ),
    Command(
        "completion",
        "completing.completion",
        "Print what makes a shell complete the words of hopscope.",
        (
            Argument("SHELL", "bash, zsh or fish.", offers=SHELLS),
            Argument("[WORD…]", "What is typed so far, as the shell asks: print what may follow."),
        ),
        more="For bash, in ~/.bashrc: source <(hopscope completion bash)\n\n"
        "For zsh, in ~/.zshrc after compinit: source <(hopscope completion zsh)\n\n"
        "For fish: hopscope completion fish > ~/.config/fish/completions/hopscope.fish",
        passes_on=True,
    ),
    Command(
        "doctor",
        "doctor.doctor",
        "Say what this machine can do, and how to mend what it cannot.",
        (AS_JSON,),
    ),
)
