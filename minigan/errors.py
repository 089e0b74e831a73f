"""The errors that minigan raises for the person at the keyboard, and the exit code of Ctrl-C."""

INTERRUPTED = 130  # the shell's code for a process that Ctrl-C ended


class MiniganError(Exception):
    """An error for the person at the keyboard.

    Its message is one sentence; the command line prints it and exits with 2.
    """


class DatasetError(MiniganError):
    """A dataset that is missing, damaged or of another kind."""


class DeviceError(MiniganError):
    """A device that is not there, or a kernel that it lacks."""


class SettingsError(MiniganError):
    """A setting that is not understood, or that does not go with another."""


class TrainingError(MiniganError):
    """Training that cannot go on."""


class RunError(MiniganError):
    """A run directory, or a file in it, that is damaged or of another kind."""


class KernelError(MiniganError):
    """A kernel that did what CUDA does not allow, or could not be launched."""
