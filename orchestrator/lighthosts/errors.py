"""What can go wrong with a light host, said so that a person can act on it?

LightHostError
├── MachineCannot      this machine lacks something (root, a kernel feature, a program)
├── ImageMissing       no base image yet, and none could be built
├── BadRequest         an address, port or name that cannot be
├── NotThere           a site or host that does not exist (any more)
└── DidNotStart        a site or host that was started and did not come up
"""

from __future__ import annotations


class LightHostError(Exception):
    """Base of all errors of light hosts. Its text is what, why, and what to do next."""

    def __init__(self, what: str, *, why: str = "", then: str = "") -> None:
        self.what = what
        self.why = why
        self.then = then
        super().__init__(
            ": ".join(part for part in (what, why) if part) + (f"; {then}" * bool(then))
        )


class MachineCannot(LightHostError):
    """This machine lacks root, a kernel feature or a program."""


class ImageMissing(LightHostError):
    """There is no base image, and none could be built."""


class BadRequest(LightHostError):
    """What was asked for cannot be: an address outside its network, a port out of range."""


class NotThere(LightHostError):
    """A site or host that does not exist, or not any more."""


class DidNotStart(LightHostError):
    """A site or host was started and did not come up in time; its log is named."""
