"""The market's services as one object: what the API's routes and the portal's pages call."""

from collections.abc import Sequence

from meterworks.errors import UnreachableError
from meterworks.headend import REGISTRY_CHANGED_SUBJECT, HeadendQueries
from meterworks.market.access_view import AccessView
from meterworks.market.account import Accounts
from meterworks.market.acts import Acts
from meterworks.market.admission import Admissions
from meterworks.market.approval import Approvals
from meterworks.market.audit import AccessLog
from meterworks.market.authoriser import Authoriser
from meterworks.market.consent import Consents
from meterworks.market.device_access import DeviceAccess
from meterworks.market.erasure import ErasureWishes
from meterworks.market.hold import Holds
from meterworks.market.overview import Overview
from meterworks.market.rate import ClientLimits
from meterworks.market.reading_access import ReadingAccess
from meterworks.market.request_evidence import RequestEvidence
from meterworks.market.retention import Deletion, deletion_history
from meterworks.market.role_grant import RoleGrants
from meterworks.market.scope import Scope
from meterworks.market.services import MarketServices, MarketSettings
from meterworks.market.subject_export import SubjectExport
from meterworks.market.trail_view import TrailView
from meterworks.market.well_being import HealthCheck
from meterworks.registry import Registry
from meterworks.runtime import Clock, get_logger

__all__ = ["Market"]

log = get_logger("market")


class Market:
    """Everything an interface to people needs, assembled from the stores once per process."""

    def __init__(self, services: MarketServices, settings: MarketSettings) -> None:
        access_log = AccessLog(services.database, services.audit)
        self.services = services
        self.settings = settings
        self.clock: Clock = services.clock
        self.registry: Registry = services.registry
        self.collection: HeadendQueries = services.collection
        self.accounts = Accounts(
            services.database, keystore=services.keystore, audit=services.audit, step_up_s=settings.step_up_s
        )
        self.acts = Acts(services.audit)
        self.request_evidence = RequestEvidence(services)
        self.trail_view = TrailView(services, self.acts)
        self.admissions = Admissions(services.database, self.acts, now=services.clock.now)
        self.approvals = Approvals(
            services.database, self.acts, approval_s=settings.approval_s, break_glass_s=settings.break_glass_s
        )
        self.authoriser = Authoriser(self.acts, self.admissions, self.approvals)
        self.grants = RoleGrants(services.registry, self.accounts, self.admissions, self.acts)
        self.grants.add_to(self.approvals)
        self.limits = ClientLimits(
            requests_burst=settings.requests_burst,
            requests_per_s=settings.requests_per_s,
            export_rows_per_hour=settings.export_rows_per_hour,
        )
        self.consents = Consents(services.database, services.registry, services.clock, services.audit)
        self.scope = Scope(services.registry, self.consents)
        self.reading_access = ReadingAccess(services, self.scope, access_log, rows_max=settings.answer_rows_max)
        self.device_access = DeviceAccess(services, self.scope, access_log, read_timeout_s=settings.read_timeout_s)
        self.access_view = AccessView(services, access_log)
        self.holds = Holds(services.database, services.registry, services.clock)
        self.wishes = ErasureWishes(services.database, services.clock)
        self.subject_export = SubjectExport(services, self.consents, self.access_view, self.reading_access)
        self.overview = Overview(services)
        self.health = HealthCheck(services, timeout_s=settings.health_timeout_s)

    async def deletions(self, limit: int) -> Sequence[Deletion]:
        """Records of deletions, newest first."""
        return await deletion_history(self.services.database, limit)

    async def announce_registry_change(self) -> None:
        """Tell whoever follows the registry; without it they find out at their next look."""
        try:
            await self.services.bus.send(REGISTRY_CHANGED_SUBJECT, b"{}")
        except UnreachableError as error:
            log.warning("a change of the registry could not be announced", error=str(error))
