"""What is kept: something that is read, slowly if need be."""

import asyncio


class Source:
    """Something slow that is read; each reading is counted."""

    def __init__(self, value: str = "value") -> None:
        self.value = value
        self.reads = 0
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def read(self) -> bytes:
        self.reads += 1
        value = self.value
        await self.may_end.wait()
        return value.encode()
