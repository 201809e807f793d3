"""What statements say of an execution: its isolation, what its steps contacted, and how a verification ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.cli.display.output import escape
from lading.store.errors import DocumentError
from lading.verify.documents.links import CONTACTED
from lading.verify.observations.contacts import Contact, Contacts
from lading.verify.reports.verification_summary import SUMMARY, VerificationSummary

if TYPE_CHECKING:
    from lading.verify.documents.provenance import Provenance
    from lading.verify.documents.statements import Statement


def execution_words(found: Provenance) -> list[str]:
    """Lines of it, none where it says nothing; what is malformed is said, for others' statements are shown too."""
    lines = list[str]()
    isolation = found.internal.get("isolation")
    if isinstance(isolation, str):
        exposed = ", the signing key in reach (keyExposed)" if found.internal.get("keyExposed") is True else ""
        lines.append(f"  executed under {escape(isolation)}{exposed}")
    if CONTACTED not in found.internal:
        return lines
    try:
        contacts = Contacts.parse(found.internal[CONTACTED], CONTACTED)
    except DocumentError as error:
        return [*lines, f"  contacted: cannot be read: {escape(str(error))}"]
    recorded = ", but for what was recorded" if found.network_artifact else ""
    return [*lines, *(f"  contacted {escape(words)}" for words in _contacted(contacts, recorded))]


def _contacted(contacts: Contacts, recorded: str) -> list[str]:
    words = [_destination(one) for one in contacts.destinations]
    reason = f" ({contacts.reason})" if contacts.reason else ""
    if contacts.state == "unobserved":
        words.append(f"what could not be seen{reason}")
    elif contacts.state == "cut":
        words.append(f"others, too: there were more than fit{reason}")
    return words or [f"nothing{recorded}"]


def _destination(one: Contact) -> str:
    host = f"[{one.address}]" if ":" in one.address else one.address
    port = f":{one.port}" if one.port else ""
    names = f" ({', '.join(one.names)})" if one.names else ""
    return f"{one.protocol} {host}{port}{names}"


def summary_words(statement: Statement | None) -> str:
    """How the verification ended that a summary is about; nothing for other statements, and for malformed ones."""
    if statement is None or statement.predicate_type != SUMMARY:
        return ""
    try:
        found = VerificationSummary.parse(statement)
    except DocumentError:
        return ""
    about = next((digest for one in found.inputs if (digest := one.sha256)), None)
    of = f" of {about.short}" if about else ""
    return escape((", ".join((" PASSED", *found.verified)) if found.passed else " FAILED") + of)
