"""Which hosts does a guestbook have, and where in the network do they stand?"""

from dataclasses import dataclass
from ipaddress import ip_network

EDGE, DATABASE, FIRST_WEB = 10, 20, 101


@dataclass(frozen=True)
class Member:
    name: str
    group: str
    address: str
    publish: tuple[int, ...] = ()


def members(cidr: str, web_count: int) -> list[Member]:
    """The load balancer, the database, then the web hosts."""
    start = ip_network(cidr).network_address

    def at(offset: int) -> str:
        return str(start + offset)

    webs = [Member(f"web-{n + 1}", "web", at(FIRST_WEB + n)) for n in range(web_count)]
    return [
        Member("edge-1", "edge", at(EDGE), publish=(80,)),
        Member("db-1", "database", at(DATABASE)),
        *webs,
    ]
