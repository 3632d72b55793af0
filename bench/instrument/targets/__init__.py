"""Who is measured. Each target writes its configuration and says how it is started, or None."""

from .envoy import envoy
from .haproxy import haproxy
from .nginx import nginx
from .turnpike import turnpike

TARGETS = {"turnpike": turnpike, "nginx": nginx, "haproxy": haproxy, "envoy": envoy}
