"""Speaking to a directory: bind, search, pages, TLS, time limits.

ldap3 is used because it is Python alone: the other library wants a compiler and OpenLDAP's headers on every
machine, and what it would be faster by is nothing beside the way to the directory. It is imported when the
first directory is asked, so that a cloud without one starts no slower. Everything here blocks and is called
in threads of its own (see directories); each step has a time limit, so a directory that is dead is told of,
and never waited for.

Source: RFC 4511, RFC 2696 (pages), RFC 4513 (section 5.1.2: a bind without a password proves nothing, so it
is never made for somebody who logs in)."""

from __future__ import annotations

import math
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from monostack.identity.ldap.entries import Entry, Found
from monostack.identity.ldap.options import Misconfigured, Options

PAGES = "1.2.840.113556.1.4.319"
MOST = 10_000
SUCCESS, NO_SUCH_OBJECT, INVALID_CREDENTIALS, SIZE_LIMIT = 0, 32, 49, 4
REFUSALS = (INVALID_CREDENTIALS, 19, 48, 50, 53, NO_SUCH_OBJECT, 34)
"""How directories say that this name and password do not go together, or may not be used now."""


class Unreachable(Exception):
    """The directory does not answer, or not as a directory; the words say what happened."""


class Directory:
    """A directory and a few connections to it that wait for the next question."""

    def __init__(self, options: Options, timeout: float) -> None:
        self.options = options
        self.timeout = timeout
        self._waiting: list[tuple[float, Any]] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for _, connection in waiting:
            _end(connection)

    def search(
        self, base: str, condition: str, attributes: list[str], scope: str | None = None, most: int = MOST
    ) -> Found:
        """The entries that fulfil the condition, page by page; at most so many."""
        asked = (base, condition, attributes, scope or self.options.scope, most)
        waiting = self._taken()
        if waiting is not None:
            try:
                return self._found(waiting, *asked)
            except Unreachable:
                pass  # it was closed while it waited: a new one tells whether the directory is there
        return self._found(self._admitted(), *asked)

    def _found(
        self, connection: Any, base: str, condition: str, attributes: list[str], scope: str, most: int
    ) -> Found:
        found = Found()
        with self._used(connection):
            for page in self._pages(connection, base, condition, attributes, scope):
                found += page
                found.whole = page.whole and len(found) < most
                if len(found) >= most:
                    break
        del found[most:]
        return found

    def accepts(self, dn: str, password: str) -> bool:
        """Whether the directory lets this name in with this password."""
        if not password:
            return False
        connection = self._open(dn, password)
        try:
            return bool(connection.bound)
        finally:
            _end(connection)

    # pages

    def _pages(
        self, connection: Any, base: str, condition: str, attributes: list[str], scope: str
    ) -> Iterator[Found]:
        import ldap3

        size, cookie = self.options.page_size or None, None
        scopes = {"one": ldap3.LEVEL, "sub": ldap3.SUBTREE, "base": ldap3.BASE}
        while True:
            connection.search(
                base,
                condition,
                scopes[scope],
                dereference_aliases=_aliases(self.options.aliases),
                attributes=attributes,
                time_limit=max(1, int(self.timeout)),
                paged_size=size,
                paged_cookie=cookie,
            )
            result = connection.result
            if result["result"] not in (SUCCESS, NO_SUCH_OBJECT, SIZE_LIMIT):
                raise Unreachable(f"it refuses to search {base}: {result['description']}")
            given = connection.response or ()
            page = Found(_entry(each) for each in given if each["type"] == "searchResEntry")
            page.whole = result["result"] != SIZE_LIMIT
            yield page
            cookie = result.get("controls", {}).get(PAGES, {}).get("value", {}).get("cookie")
            if size is None or not cookie:
                return

    # connections

    def _admitted(self) -> Any:
        """A new connection in the name that searches."""
        connection = self._open(self.options.user, self.options.password)
        if not connection.bound:
            words = (connection.result or {}).get("description", "no answer")
            _end(connection)
            raise Unreachable(f"it does not let {self.options.user or 'anybody'} in: {words}")
        return connection

    @contextmanager
    def _used(self, connection: Any) -> Iterator[None]:
        """While a connection is used; then it waits for the next question, unless something failed."""
        from ldap3.core.exceptions import LDAPException, LDAPInvalidFilterError

        try:
            yield
        except LDAPInvalidFilterError as reason:
            _end(connection)
            raise Misconfigured(f"user_filter or group_filter cannot be used: {reason}") from None
        except (LDAPException, OSError) as reason:
            _end(connection)
            raise Unreachable(_words(reason)) from None
        except BaseException:
            _end(connection)
            raise
        self._given_back(connection)

    def _taken(self) -> Any:
        now = time.monotonic()
        with self._lock:
            while self._waiting:
                until, connection = self._waiting.pop()
                if until > now and not connection.closed:
                    return connection
                _end(connection)
        return None

    def _given_back(self, connection: Any) -> None:
        with self._lock:
            if len(self._waiting) < self.options.kept_connections:
                self._waiting.append((time.monotonic() + self.options.kept_seconds, connection))
                return
        _end(connection)

    def _open(self, name: str, password: str) -> Any:
        """A connection that tried to bind; raises Unreachable when no directory answers."""
        from ldap3.core.exceptions import LDAPException

        problems = []
        for url in self.options.urls:
            try:
                return self._open_at(url, name, password)
            except (LDAPException, OSError) as reason:
                problems.append(f"{url}: {_words(reason)}")
        raise Unreachable("; ".join(problems))

    def _open_at(self, url: str, name: str, password: str) -> Any:
        import ldap3

        parts, options = urlsplit(url), self.options
        secure = parts.scheme == "ldaps"
        server = ldap3.Server(
            parts.hostname,
            port=parts.port or (636 if secure else 389),
            use_ssl=secure,
            get_info=ldap3.NONE,
            tls=_tls(options) if secure or options.start_tls else None,
            connect_timeout=self.timeout,
            allowed_referral_hosts=[("*", False)],
        )
        connection = ldap3.Connection(
            server,
            user=name or None,
            password=password or None,
            authentication=ldap3.SIMPLE if name else ldap3.ANONYMOUS,
            client_strategy=ldap3.SYNC,
            auto_referrals=options.referrals,
            receive_timeout=max(1, math.ceil(self.timeout)),
            read_only=True,
            check_names=False,
            return_empty_attributes=False,
        )
        try:
            connection.open()
            if options.start_tls and not connection.start_tls():
                raise Unreachable(f"{url}: it does not start TLS: {connection.result['description']}")
            connection.bind()
            code = (connection.result or {}).get("result", SUCCESS)
            if not connection.bound and code not in REFUSALS:
                raise Unreachable(f"{url}: it refuses to bind: {connection.result['description']}")
        except BaseException:
            _end(connection)
            raise
        return connection


def _tls(options: Options) -> Any:
    import ldap3
    from ldap3.core.exceptions import LDAPException

    needed = ssl.CERT_REQUIRED if options.certificates == "demand" else ssl.CERT_NONE
    try:
        return ldap3.Tls(validate=needed, ca_certs_file=options.ca_file, ca_certs_path=options.ca_folder)
    except (LDAPException, OSError) as reason:
        raise Misconfigured(f"tls_cacertfile or tls_cacertdir cannot be used: {reason}") from None


def _aliases(word: str) -> str:
    import ldap3

    return {
        "default": ldap3.DEREF_NEVER,
        "never": ldap3.DEREF_NEVER,
        "searching": ldap3.DEREF_SEARCH,
        "finding": ldap3.DEREF_BASE,
        "always": ldap3.DEREF_ALWAYS,
    }[word]


def _entry(found: dict[str, Any]) -> Entry:
    raw = found.get("raw_attributes", {})
    return Entry(found["dn"], {name.partition(";")[0].lower(): list(values) for name, values in raw.items()})


def _end(connection: Any) -> None:
    """Close without a word: what is wrong was said already, or does not matter any more."""
    from ldap3.core.exceptions import LDAPException

    try:
        connection.unbind()
    except (LDAPException, OSError):
        return


def _words(reason: BaseException) -> str:
    return str(reason) or type(reason).__name__
