"""Channels: apprise's services, and the address of a dead man's switch."""

import http.client
import logging
import urllib.error
import urllib.request
import warnings
from typing import Any, Final

from typing_extensions import override

from ibkeel.errors import ConfigurationError
from ibkeel.monitor.alerts.courier import Channel, DeliveryFailed, Message

_TIMEOUT: Final = 20.0
_WELL: Final = range(200, 300)
# They write addresses, which are secrets, into their own logs.
_TALKATIVE: Final = ("apprise", "requests", "urllib3")


class AppriseChannel(Channel):
    """One address in apprise's form.

    Args:
        place: Its place in the configuration, 1 or more; with its kind the channel's name.
        address: The address; a secret.

    Raises:
        ConfigurationError: apprise is not installed, or does not know such an address.
    """

    def __init__(self, place: int, address: str) -> None:
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a hundred services some import what is deprecated
            try:
                import apprise  # noqa: PLC0415 - an extra
            except ImportError:
                raise ConfigurationError("alerts need apprise; install 'ibkeel[alerts]'") from None
            self._apprise: Any = apprise.Apprise()
            is_known = self._apprise.add(address)
        if not is_known:
            raise ConfigurationError(
                f"alerts.urls: apprise does not know the address number {place}; see its list of services"
            )
        self._kinds = {
            "info": apprise.NotifyType.INFO,
            "warning": apprise.NotifyType.WARNING,
            "critical": apprise.NotifyType.FAILURE,
        }
        self._name = f"{place} ({str(self._apprise[0].service_name).lower()})"

    @property
    @override
    def name(self) -> str:
        return self._name

    @override
    def deliver(self, message: Message) -> None:
        try:
            was_taken = self._apprise.notify(
                body=message.text, title=message.title, notify_type=self._kinds[message.severity]
            )
        except Exception as error:  # noqa: BLE001 - a hundred services, and what they raise is not ours
            # Its text may name the address.
            raise DeliveryFailed(f"apprise raised {type(error).__name__}") from None
        if not was_taken:
            raise DeliveryFailed("the service did not take it")


class WebAddress(Channel):
    """An address that is asked for: a dead man's switch, which alarms when it is not.

    Args:
        address: Of the web; a secret.
        timeout: Seconds that one attempt may take.
    """

    def __init__(self, address: str, timeout: float = _TIMEOUT) -> None:
        self._address, self._timeout = address, timeout

    @property
    @override
    def name(self) -> str:
        return "heartbeat"

    @override
    def deliver(self, message: Message) -> None:
        request = urllib.request.Request(self._address, headers={"User-Agent": "ibkeel"})  # noqa: S310 - the configuration takes only http and https
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:  # noqa: S310 - the same
                status = answer.status
        except urllib.error.HTTPError as error:
            with error:
                raise DeliveryFailed(f"the address answered {error.code}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise DeliveryFailed(f"the address could not be reached: {type(error).__name__}") from None
        if status not in _WELL:
            raise DeliveryFailed(f"the address answered {status}")
