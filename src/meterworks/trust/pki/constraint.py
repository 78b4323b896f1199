"""Name constraints: which names an authority may give.  Source: RFC 5280, 4.2.1.10 and 6.1.3 (b), (c)."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import urlsplit

from cryptography import x509

__all__ = ["breaks_constraints"]


def breaks_constraints(certificate: x509.Certificate, constraints: x509.NameConstraints) -> x509.GeneralName | None:
    """The first name of a certificate that the constraints forbid; None where they allow all of them."""
    for name in _names(certificate):
        permitted = [entry for entry in constraints.permitted_subtrees or () if isinstance(entry, type(name))]
        excluded = [entry for entry in constraints.excluded_subtrees or () if isinstance(entry, type(name))]
        if any(_within(name, entry) for entry in excluded):
            return name
        if permitted and not any(_within(name, entry) for entry in permitted):
            return name
    return None


def _names(certificate: x509.Certificate) -> Iterator[x509.GeneralName]:
    if list(certificate.subject):
        yield x509.DirectoryName(certificate.subject)
    try:
        yield from certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return


def _within(name: x509.GeneralName, constraint: x509.GeneralName) -> bool:
    """Whether a name lies in the subtree of a constraint of the same form."""
    if isinstance(name, x509.DirectoryName) and isinstance(constraint, x509.DirectoryName):
        subtree = constraint.value.rdns
        return name.value.rdns[: len(subtree)] == subtree
    if isinstance(name, x509.IPAddress) and isinstance(constraint, x509.IPAddress):
        return _address_within(name.value, constraint.value)
    if isinstance(name, x509.DNSName) and isinstance(constraint, x509.DNSName):
        return _host_within(name.value, constraint.value)
    if isinstance(name, x509.RFC822Name) and isinstance(constraint, x509.RFC822Name):
        return _mailbox_within(name.value, constraint.value)
    if isinstance(name, x509.UniformResourceIdentifier) and isinstance(constraint, x509.UniformResourceIdentifier):
        host = urlsplit(name.value).hostname
        return host is not None and _host_within(host, constraint.value, exact=not constraint.value.startswith("."))
    return name == constraint


def _address_within(address: object, network: object) -> bool:
    if isinstance(address, IPv4Address) and isinstance(network, IPv4Network):
        return address in network
    return isinstance(address, IPv6Address) and isinstance(network, IPv6Network) and address in network


def _host_within(host: str, constraint: str, *, exact: bool = False) -> bool:
    """A host lies in a domain where it is the domain or ends with it behind a dot."""
    host, domain = host.lower(), constraint.lower().lstrip(".")
    if exact:
        return host == domain
    return not domain or host == domain or host.endswith(f".{domain}")


def _mailbox_within(mailbox: str, constraint: str) -> bool:
    if "@" in constraint:
        return mailbox == constraint
    _, _, host = mailbox.rpartition("@")
    return _host_within(host, constraint, exact=not constraint.startswith("."))
