"""What can go wrong, for a person to read.

    IdiolectError                 exit code 2: one sentence that says what happened and what to do
    ├── UsageError                a setting, an option or an argument
    ├── CorpusError               a text that cannot be read, is empty, or is too small
    ├── TokenizerError            a tokenizer that cannot be learnt, read, or does not fit
    ├── ModelError                a model folder that cannot be read, or does not fit
    ├── VectorsError              word vectors that cannot be read, are damaged, or do not fit
    ├── ArtifactError             a folder: it exists and is something else, or it is damaged
    ├── TrainingError             a run that cannot go on
    └── Interrupted               a run that was asked to stop; what it had done is saved

A programming mistake of ours stays an `AssertionError` or whatever Python raises: it is not the user's to mend.
"""


class IdiolectError(Exception):
    """The base of every error a user can mend. `exit_code` is what the command ends with."""

    exit_code = 2


class UsageError(IdiolectError):
    """A setting, an option or an argument that is unknown, of the wrong type, or out of range."""


class CorpusError(IdiolectError):
    """A text that is missing, empty, not text, or too small for what was asked."""


class TokenizerError(IdiolectError):
    """A tokenizer that cannot be learnt from this text, cannot be read, or does not fit."""


class ModelError(IdiolectError):
    """A model folder that cannot be read, has missing or odd tensors, or does not fit."""


class VectorsError(IdiolectError):
    """Word vectors whose file cannot be read, is damaged or lies, or that do not fit."""


class ArtifactError(IdiolectError):
    """A folder that exists and is something else, is damaged, or cannot be written."""


class TrainingError(IdiolectError):
    """A training run that cannot go on."""


class Interrupted(IdiolectError):  # noqa: N818  it is no error, but ends a command like one
    """A run was asked to stop (Ctrl-C, SIGTERM): its state is saved and the same command resumes it."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
