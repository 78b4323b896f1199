"""The whole matrix of offers on every interface of TLS: some minutes of a processor.

python -m tests.soak.tls_matrix
"""

import sys

from tests.security.channels.matrix import OWN_ROLE, PEER_ROLE, every_offer, wrong_verdicts
from tests.tls_authority import authority, issued

from meterworks.trust.tls import POLICIES, Interface, server_context


def wrong_offers() -> dict[str, list[str]]:
    """Give, by interface, what negotiates though it may not, and what does not though it may."""
    found = {}
    for interface, role in OWN_ROLE.items():
        context = server_context(authority().memory(issued(role, "listener")), interface)
        found[interface.value] = wrong_verdicts(context, POLICIES[interface], every_offer(), PEER_ROLE[interface])
    return found


def main() -> int:
    """Print what is wrong; give 1 where anything is."""
    found = wrong_offers()
    for interface in Interface:
        for offer in found.get(interface.value, []):
            sys.stdout.write(f"{interface.value}: {offer}\n")
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main())
