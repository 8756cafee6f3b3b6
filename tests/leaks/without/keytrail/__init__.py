"""Stands before the real package on the path of a service that runs without keytrail."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
