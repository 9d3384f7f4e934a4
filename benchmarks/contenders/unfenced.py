"""This server without its second fence, for the measure of what the fence costs and for nothing
else: what customers ask for is read on the same lean connections, but in the server's own role and
bound to nobody.
"""

from __future__ import annotations

from app.cli import main
from models import fence
from models.database import SERVER_ROLE
from models.fence import FencedReads
from resolvers.access import Viewer
from schema import context


def _unfenced(viewer: Viewer, services: context.Services) -> FencedReads:
    return services.fence.around(None)


fence.CUSTOMER_ROLE = SERVER_ROLE
context.reads_of = _unfenced

if __name__ == "__main__":
    main()
