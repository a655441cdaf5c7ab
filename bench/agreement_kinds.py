# SPDX-License-Identifier: MIT
"""Every kind of damage that bench/agreement.py does, in the order of its table."""
import collections.abc
import dataclasses

import agreement_frames as frames
import agreement_memory as memory


@dataclasses.dataclass(frozen=True)
class Kind:
    title: str
    make: collections.abc.Callable  # of an image and a source of numbers; None where it cannot be
    of_strangers: bool = False  # for releases that do not load the stream even when it is healthy

    @property
    def name(self):
        return self.make.__name__


KINDS = (
    Kind("none", frames.none),
    Kind("none, a release without it", frames.no_release, of_strangers=True),
    Kind("header: a bit, the version", frames.header),
    Kind("configuration: a bit", frames.configuration),
    Kind("configuration twice, left out", frames.configuration_twice),
    Kind("section: type", frames.section_type),
    Kind("section: id", frames.section_id),
    Kind("section: name", frames.section_name),
    Kind("section: instance", frames.section_instance),
    Kind("section: version", frames.section_version),
    Kind("section: footer", frames.footer),
    Kind("section: bytes inserted", frames.bytes_inserted),
    Kind("section: bytes removed", frames.bytes_removed),
    Kind("device twice", frames.device_twice),
    Kind("device left out", frames.device_removed),
    Kind("device that nobody has", frames.device_unknown),
    Kind("devices swapped", frames.devices_swapped),
    Kind("RAM start twice, left out", frames.ram_start),
    Kind("RAM start late, end late", frames.ram_order),
    Kind("RAM part twice, left out", frames.ram_part),
    Kind("RAM end twice, left out", frames.ram_end),
    Kind("RAM block list", memory.block_list),
    Kind("RAM slice's end", memory.slice_end),
    Kind("page: flags", memory.page_flags),
    Kind("page: address", memory.page_address),
    Kind("page past its block", memory.page_past_block),
    Kind("page: name of its block", memory.page_block),
    Kind("page: fill byte", memory.zero_fill),
    Kind("page: content", memory.page_content),
    Kind("page sent as a change", memory.delta_page),
    Kind("page in zlib", memory.compressed_page),
    Kind("mapped-ram header", memory.mapped_header),
    Kind("mapped-ram bitmap", memory.mapped_bitmap),
    Kind("disk or bitmap: a bit", memory.other_iterable),
    Kind("device: a bit of a field", frames.device_field),
    Kind("device: head of a subsection", frames.subsection),
    Kind("command", frames.command),
    Kind("end mark", frames.end_mark),
    Kind("end mark too early", frames.early_end),
    Kind("description: a bit", frames.description_changed),
    Kind("description cut", frames.description_cut),
    Kind("cut between records", frames.cut_between),
    Kind("cut within a record", frames.cut_within),
    Kind("zeros after the end", frames.padding),
    Kind("more after the end", frames.more_after),
)
