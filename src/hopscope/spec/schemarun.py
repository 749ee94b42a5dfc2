"""What a lab file may say of the processes that a node runs."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from hopscope.model.limits import PORT, READY, STOP
from hopscope.spec import short
from hopscope.spec.part import Part, within

__all__ = ["Process", "Processes", "Ready"]

_Command = Annotated[
    list[str],
    BeforeValidator(short.command, json_schema_input_type=str | list[str]),
]
_Value = Annotated[str, BeforeValidator(short.text_value, json_schema_input_type=str | int)]


class Ready(Part):
    """When a process is ready; exactly one of tcp, log and command."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": [name]} for name in ("tcp", "log", "command")],
        }
    )

    tcp: int | None = Field(
        default=None,
        description="Once something in the node listens on this TCP port.",
        examples=[80],
        json_schema_extra=within(PORT),
    )
    log: str | None = Field(
        default=None,
        description="Once a line of its output holds this regular expression.",
        examples=["ready to accept connections"],
    )
    command: _Command = Field(
        default=[],
        description="Once this command, run in the node, exits with status 0.",
        examples=[["curl", "-sf", "localhost"]],
    )
    timeout: float = Field(
        default=10.0,
        description="Seconds in which that must be so.",
        json_schema_extra=within(READY),
    )

    @model_validator(mode="before")
    @classmethod
    def _one_condition(cls, given: Any) -> Any:
        return short.one_condition(given)


class Process(Part):
    """A process, in its long form."""

    command: _Command = Field(
        description="The program and its arguments. A text is split into words, and no shell runs.",
        examples=["python3 -m http.server 80", ["nginx", "-g", "daemon off;"]],
    )
    name: str = Field(
        default="",
        description="What it is called; its program's name when left out.",
        examples=["nginx"],
    )
    ready: Ready | None = Field(
        default=None,
        description="When it is ready, which `up` waits for; as soon as it runs when left out.",
        examples=[{"tcp": 80}],
    )
    restart: Literal["never", "on-failure", "always"] = Field(
        default="never",
        description="Whether it is started again when it ends: 'on-failure' is after any exit "
        "status but 0.",
    )
    stop: float = Field(
        default=3.0,
        description="Seconds in which it may end by itself, after SIGTERM, when the lab is taken "
        "down; then it is killed.",
        json_schema_extra=within(STOP),
    )
    env: dict[str, _Value] = Field(
        default={},
        description="Variables of its environment, added to the caller's.",
        examples=[{"PORT": 80}],
    )


_Process = Annotated[
    Process,
    BeforeValidator(
        short.process,
        json_schema_input_type=Annotated[str, Field(examples=["python3 -m http.server 80"])]
        | Process,
    ),
]
Processes = Annotated[
    list[_Process],
    BeforeValidator(
        short.one_or_several, json_schema_input_type=str | Process | list[str | Process]
    ),
]
"""The processes of a node; one command stands for a list of it."""
