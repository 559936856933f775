"""Named failures of talking to a runtime. Each says what happened and what to do."""

from __future__ import annotations


class RuntimeFailure(Exception):
    """Base of everything that can go wrong between the portal and a runtime."""

    code = "runtime_failure"
    remedy = "Look at the runtime's log on that node."

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if remedy is not None:
            self.remedy = remedy


class RuntimeUnreachable(RuntimeFailure):
    """Nothing answers at the address: refused, no route, or no ZeroMQ handshake."""

    code = "unreachable"
    remedy = (
        "Check that the runtime is started on that node (clio_run status), and that "
        "its client port (networking.port + 3) is open to the portal."
    )


class RuntimeTimedOut(RuntimeFailure):
    """The request went out and no answer came within the deadline."""

    code = "timed_out"
    remedy = (
        "The runtime may be paused, overloaded or hung. If it stays so, check that "
        "it can dial back to the portal's address, then restart the node."
    )


class RuntimeRefused(RuntimeFailure):
    """The runtime answered with a return code other than 0."""

    code = "refused"
    remedy = "See the return code in the message; the runtime's log has the details."

    def __init__(self, message: str, *, return_code: int, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.return_code = return_code


class ContractBroken(RuntimeFailure):
    """An answer does not have the shape that this generation promises."""

    code = "contract_broken"
    remedy = (
        "The runtime's release may be newer than this portal. Note the node, query "
        "and key of the message, and update the portal."
    )


class WrongGeneration(RuntimeFailure):
    """The runtime's wire generation could not be proven, or is not the configured one."""

    code = "wrong_generation"
    remedy = (
        "Set CLIO_PORTAL_WIRE_GENERATION to the runtime's generation (2.0, 2.2 or 2.3) "
        "if you are sure of it; a wrong value can hang the runtime."
    )


class ClientClosed(RuntimeFailure):
    """The client was closed while, or before, it was asked."""

    code = "client_closed"
    remedy = "The portal is stopping; ask again when it is back."
