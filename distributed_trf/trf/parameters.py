"""An estimator's parameters in scikit-learn's manner, without scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

from distributed_trf.errors import ConfigError


@dataclass(eq=False)
class Parameters:
    """A dataclass whose fields are the parameters; what is fitted are other attributes."""

    def get_params(self, *, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's parameters, as scikit-learn's ``clone`` asks for them."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def set_params(self, **params: Any) -> Self:
        """Set constructor parameters by name.

        Raises
        ------
        ConfigError
            If there is no such parameter.
        """
        known = {f.name for f in fields(self)}
        for name, value in params.items():
            if name not in known:
                raise ConfigError(f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(sorted(known))}")
            setattr(self, name, value)
        return self
