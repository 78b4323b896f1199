"""What every request body is: exactly the fields it names, and no other."""

from pydantic import BaseModel, ConfigDict

__all__ = ["Body"]


class Body(BaseModel):
    """A request body. A field it does not name is refused, so that nothing is set that no route meant to be set."""

    model_config = ConfigDict(extra="forbid")
