"""A program: libFuzzer, guided by which of our code each lab file reaches, tries the parser.

    PYTHONPATH=tests fuzzer.py CORPUS… -runs=N -seed=N -dict=FILE

It ends with 0 when all were sound; else it writes the file that was not, and says how.
"""

import sys

import atheris

with atheris.instrument_imports(include=["hopscope", "ruamel"]):
    from hopscope.lab.declare import sysctl_listing
    from soundness import sound


def tried(data: bytes) -> None:
    """One lab file."""
    sound(data, sysctl_listing)


if __name__ == "__main__":
    atheris.Setup(sys.argv, tried)
    atheris.Fuzz()
