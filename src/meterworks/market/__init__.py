"""The market's interfaces: accounts and tokens, and what each role may see of whom.

The REST API has a door of its own, `meterworks.market.api`: it brings the web framework, which only the web process
loads.
"""

from meterworks.market.access_view import MonthOfReads, Recipient, purpose_title, reads_by_month
from meterworks.market.account import Accounts, IssuedToken, Login, NewUser, User
from meterworks.market.acts import Acts
from meterworks.market.admission import Admission, Admissions
from meterworks.market.approval import Approval, Approvals
from meterworks.market.audit import AccessEntry, AccessLog
from meterworks.market.consent import Consent, Consents, ConsentState, ConsentTerms, Evidence
from meterworks.market.device_access import DeviceRead, LatestValue, event_document
from meterworks.market.erasure import Erasure, ErasureReport, Erasures, ErasureWishes
from meterworks.market.errors import (
    AccountExists,
    BadCredentials,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    RequestMalformed,
    SecondFactorNeeded,
    StepUpNeeded,
    TooManyAttempts,
)
from meterworks.market.first_start import Credential, ensure_demo_accounts, ensure_operator
from meterworks.market.hold import Hold, Holds
from meterworks.market.market import Market
from meterworks.market.model import AccessLogRow, FactorRow, TokenRow, UserRow
from meterworks.market.overview import CollectionSummary, FleetLoad
from meterworks.market.principal import Principal
from meterworks.market.problem import problem_of, status_of
from meterworks.market.provider import Begun, OidcClient, OidcSettings, ProviderIdentity
from meterworks.market.question import SeriesQuestion
from meterworks.market.retention import Deletion, Retention, RetentionSettings, deletion_history
from meterworks.market.scope import instant, viewer_of
from meterworks.market.series import ChannelSeries, Columns, Period, Resolution, SeriesResult, TimeRange
from meterworks.market.services import CertificatesAbove, MarketServices, MarketSettings
from meterworks.market.subject_export import DataPackage, SubjectExport
from meterworks.market.timestamp import format_utc, parse_time
from meterworks.market.token import Grant, TokenFacts

__all__ = [
    "AccessEntry",
    "AccessLog",
    "AccessLogRow",
    "AccountExists",
    "Accounts",
    "Acts",
    "Admission",
    "Admissions",
    "Approval",
    "Approvals",
    "BadCredentials",
    "Begun",
    "CertificatesAbove",
    "ChannelSeries",
    "CollectionSummary",
    "Columns",
    "Consent",
    "ConsentState",
    "ConsentTerms",
    "Consents",
    "Credential",
    "DataPackage",
    "Deletion",
    "DeviceRead",
    "Erasure",
    "ErasureReport",
    "ErasureWishes",
    "Erasures",
    "Evidence",
    "FactorRow",
    "FleetLoad",
    "Grant",
    "Hold",
    "Holds",
    "IssuedToken",
    "LatestValue",
    "Login",
    "Market",
    "MarketServices",
    "MarketSettings",
    "MonthOfReads",
    "NewUser",
    "NotAuthenticated",
    "NotFound",
    "NotPermitted",
    "OidcClient",
    "OidcSettings",
    "Period",
    "Principal",
    "ProviderIdentity",
    "Recipient",
    "RequestMalformed",
    "Resolution",
    "Retention",
    "RetentionSettings",
    "SecondFactorNeeded",
    "SeriesQuestion",
    "SeriesResult",
    "StepUpNeeded",
    "SubjectExport",
    "TimeRange",
    "TokenFacts",
    "TokenRow",
    "TooManyAttempts",
    "User",
    "UserRow",
    "deletion_history",
    "ensure_demo_accounts",
    "ensure_operator",
    "event_document",
    "format_utc",
    "instant",
    "parse_time",
    "problem_of",
    "purpose_title",
    "reads_by_month",
    "status_of",
    "viewer_of",
]
