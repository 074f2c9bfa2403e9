"""A disposable cloud for tests.

    with monostack.testing.cloud() as cloud:
        connection = cloud.connection()
        connection.create_server(...)
        cloud.fail(next="compute.spawn", error="no room on the disk")
        cloud.clock.advance(hours=2)
        cloud.reset()

It runs in a thread of the test's own process, on one free port of loopback, with simulated hosts: all
services, the real agent protocol, the real database. `monostack test-cloud` offers the same to any language.
"""

from monostack.testing.disposable import PASSWORD, DisposableCloud, cloud

__all__ = ["PASSWORD", "DisposableCloud", "cloud"]
