"""The system's enrolment server as the head-end asks it for meters that cannot ask it themselves."""

from collections.abc import Callable

from cryptography import x509

from meterworks.trust.pki import EstClient

__all__ = ["EstCertifier"]


class EstCertifier:
    """Has keys certified by EST, showing the head-end's own certificate."""

    def __init__(self, client: Callable[[], EstClient]) -> None:
        """client: made for each request, since the certificate that it shows is renewed meanwhile."""
        self._client = client

    async def certify(self, request: bytes, profile: str) -> x509.Certificate:
        """Give the certificate for a request (PKCS #10, DER); the same request again gives the same one.

        Raises RefusedError, UnreachableError, CertificateRequestError.
        """
        return (await self._client().enrol(request, profile=profile))[0]
