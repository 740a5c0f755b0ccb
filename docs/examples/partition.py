"""The partition of a call, as call_event_partition computes it."""


def partition(call_id: str, partitions: int) -> int:
    bits = 2**64
    value = 0xCBF29CE484222325
    for byte in call_id.encode():
        value = (value ^ byte) * 0x100000001B3 % bits
    value ^= value >> 32
    value = value * 0xD6E8FEB86659FD93 % bits
    return (value >> 32) % partitions
