"""cupy.cuda.stream: queues of work and marks in them."""

import fake_card as card


class Event:
    """A mark in a stream."""

    def __init__(self, block=False, disable_timing=False, interprocess=False) -> None:
        self._seen = None

    def record(self, stream=None):
        stream = get_current_stream() if stream is None else stream
        stream._s.issue()
        self._seen = stream._s.seen.copy()

    def synchronize(self):
        card.count("syncs", of="event")
        card.finish(self._seen or {})

    @property
    def done(self):
        card.finish(self._seen or {})
        return True


class Stream:
    """A queue of work."""

    null: "Stream"

    def __init__(self, null=False, non_blocking=False, ptds=False, *, priority=None) -> None:
        self._s, self._before = card.NULL if null else card.Stream(non_blocking=non_blocking), []
        self.ptr, self.is_non_blocking = 1000 + self._s.id if self._s.id else 0, non_blocking

    def synchronize(self):
        card.count("syncs", of="stream")
        self._s.synchronize()

    @property
    def done(self):
        return True

    def record(self, event=None):
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event):
        self._s.seen |= event._seen or {}

    def use(self):
        card.use(self._s)
        return self

    def __enter__(self):
        self._before.append(card.use(self._s))
        return self

    def __exit__(self, *args):
        card.use(self._before.pop())

    def __eq__(self, other):
        return isinstance(other, Stream) and other._s is self._s

    def __hash__(self):
        return hash(self.ptr)


class ExternalStream(Stream):
    """A stream of another library, by its pointer."""

    def __init__(self, ptr, device_id=-1) -> None:
        self._s, self._before = card.Stream.every[ptr - 1000 if ptr else 0], []
        self.ptr, self.is_non_blocking = ptr, self._s.non_blocking


Stream.null = Stream(null=True)


def get_current_stream(device_id=-1):
    return ExternalStream(1000 + card.current().id if card.current().id else 0)
