"""The command line, one file a command. ``adrenal-classifier COMMAND --help`` explains each."""

from AdrenalClassifierLib.commands.main import main

__all__ = ["main"]
