"""Kind: the base of records of which there are several kinds, told apart by ``kind`` in JSON."""

from msgspec import Struct

__all__ = ["Kind"]


class Kind(Struct, frozen=True, tag_field="kind"):
    """A subclass names its kind as its *tag*."""

    @property
    def kind(self) -> str:
        """Which of the kinds it is, as "transmit" or "ping"."""
        return str(self.__struct_config__.tag)
