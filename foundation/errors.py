"""The error tree. Every error says, in both languages, what is wrong and what to do.

IsochroneError                    a user can fix it; the command line prints it and exits 1
├── ConfigError                   a file or a key of ours is wrong
│   └── UsageError                an argument of the command line is wrong; exits 2
├── RightsError                   the system does not permit it
├── ResourceError                 a port, disk, interface or host is not to be had
└── ProtocolError
    ├── LocalProtocolError        we were asked to send what the protocol forbids (a bug)
    └── RemoteProtocolError       the peer sent what the protocol forbids (an event)
"""

from typing import Any

from foundation.text import Language, Text, language_of_environment, plain


class IsochroneError(Exception):
    """An error that a person can act on.

    `fields` carries what it is about (agent, target, key, file) for logs and the API.
    """

    def __init__(self, en: str, zh: str, **fields: Any) -> None:
        # A sentence may repeat what somebody else said: a file's name, a server's word.
        self.text = Text(plain(en, lines=True), plain(zh, lines=True))
        super().__init__(self.text.en)
        self.fields = fields

    def message(self, language: Language | None = None) -> str:
        """Return the sentence in `language`, or in the language of the environment."""
        return self.text.pick(language or language_of_environment())


class ConfigError(IsochroneError):
    """A file, key or argument that the user gave is wrong."""


class UsageError(ConfigError):
    """An argument of the command line is wrong, whatever the files and the system are like."""


class RightsError(IsochroneError):
    """The operating system does not permit what was asked."""


class ResourceError(IsochroneError):
    """A port, disk, interface or host that is needed cannot be had."""


class ProtocolError(IsochroneError):
    """Base of the two protocol faults."""


class LocalProtocolError(ProtocolError):
    """This side was asked to send what the protocol forbids."""


class RemoteProtocolError(ProtocolError):
    """The other side sent what the protocol forbids."""
