# SPDX-License-Identifier: MIT
"""The commands device, vmdesc and dump, on described streams."""
import json
import os
import tempfile
import unittest

from streams import *

TIMER = [{"name": "ticks", "type": "int64", "size": 8},
         {"name": "armed", "type": "bool", "size": 1},
         {"name": "env.regs", "array_len": 3, "type": "uint16", "size": 2},
         {"name": "chan", "array_len": 2, "type": "struct",
          "struct": {"vmsd_name": "chan", "version": 1,
                     "fields": [{"name": "count", "type": "uint8", "size": 1},
                                {"name": "raw", "type": "buffer", "size": 2}]}, "size": 3}]
TIMER_BODY = (-5).to_bytes(8, "big", signed=True) + b"\x01" + b"\0\x01\0\x02\0\x03" + b"\x07ab\x08cd"
SUBSECTION = {"vmsd_name": "timer/more", "version": 2, "fields": [{"name": "x", "type": "uint32", "size": 4}]}
SUBSECTION_BYTES = b"\x05\x0atimer/more" + be32(2) + be32(99)


def timer(instance=0, idstr="timer"):
    return {"name": idstr, "instance_id": instance, "vmsd_name": "timer", "version": 1, "fields": TIMER,
            "subsections": [SUBSECTION]}


def stream(devices, description):
    """`devices`: idstr, instance, body; sections without RAM pages in front of them."""
    sections = b"".join(full(3 + i, idstr, 1, body, instance)
                        for i, (idstr, instance, body) in enumerate(devices))
    return (HEADER + CONFIGURATION + ram_start(1) + ram_part(zero_page(0)) + ram_end() + sections + EOF +
            description)


def one_timer(body=TIMER_BODY + SUBSECTION_BYTES):
    return stream([("timer", 0, body)], vmdesc(timer()))


class DeviceTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_on(self, content, command, *args, status=0):
        path = os.path.join(self.folder, "guest.qevm")
        with open(path, "wb") as out:
            out.write(content)
        run = Run(command, path, *args)
        self.assertEqual(run.status, status, run.err)
        return run

    def device(self, content, *args, status=0):
        """The whole answer, with the keys of its only instance."""
        answer = self.run_on(content, "device", *args, "--json", status=status).json
        instance, = answer["instances"]
        return {**answer, **instance}


class Fields(DeviceTest):
    def test_every_field_has_name_type_offset_size_and_value(self):
        answer = self.device(one_timer(), "timer")
        body = one_timer().index(TIMER_BODY)
        self.assertEqual((answer["schema"], answer["containers"]), ("vmstream.device/2", [{"type": "qevm"}]))
        self.assertEqual((answer["idstr"], answer["instance_id"], answer["version_id"], answer["source"]),
                         ("timer", 0, 1, "vmdesc"))
        ticks, armed, regs, chan = answer["fields"]
        self.assertEqual(ticks, {"name": "ticks", "type": "int64", "offset": body, "offset_hex": hex(body), "size": 8,
                                 "size_hex": "0x8", "value": -5, "hex": "0xfffffffffffffffb"})
        self.assertIs(armed["value"], True)
        self.assertEqual((regs["size"], regs["array_len"], regs["value"]), (6, 3, [1, 2, 3]))
        self.assertEqual([element["index"] for element in chan["fields"]], [0, 1])
        count, raw = chan["fields"][1]["fields"]
        self.assertEqual((count["value"], count["offset"], raw["value"]), (8, body + 18, "6364"))
        more = answer["subsections"][0]
        self.assertEqual((more["name"], more["version"], more["fields"][0]["value"]), ("timer/more", 2, 99))
        self.assertEqual(answer["problems"], [])

    def test_paths_lead_to_one_field(self):
        for path, value in {"ticks": -5, "env.regs[1]": 2, "chan[1].count": 8, "timer/more.x": 99}.items():
            with self.subTest(path):
                answer = self.device(one_timer(), "timer", path)
                self.assertEqual(len(answer["fields"]), 1)
                self.assertEqual(answer["fields"][0]["value"], value)
        text = self.run_on(one_timer(), "device", "timer", "chan[0].raw").text
        self.assertIn("raw = 61 62", text)

    def test_a_path_that_leads_nowhere_names_what_there_is(self):
        for path in ("tick", "env.regs[3]", "chan[0].nothing", "chan[x]", "ticks.deeper"):
            with self.subTest(path):
                run = self.run_on(one_timer(), "device", "timer", path, status=2)
                self.assertEqual(run.out, b"")
                self.assertIn(f"device 'timer' has no field '{path}'", run.err.decode())
                self.assertIn("'chan[0].raw'" if path == "chan[0].nothing" else "'env.regs'", run.err.decode())

    def test_a_stream_on_stdin(self):
        run = Run("device", "-", "timer", "ticks", "--json", stdin=one_timer())
        self.assertEqual((run.status, run.json["instances"][0]["fields"][0]["value"]), (0, -5))


class LargeNumbers(DeviceTest):
    """JSON readers that keep doubles round what is above 2^53."""

    def test_integers_of_eight_bytes_have_their_hex_text_beside_them(self):
        fields = [{"name": "one", "type": "uint64", "size": 8}, {"name": "few", "array_len": 2, "type": "uint64", "size": 8},
                  {"name": "short", "array_len": 4, "type": "uint32", "size": 4}, {"name": "text", "type": "buffer", "size": 8}]
        body = b"\xfe" * 8 + be64(7) + be64(2 ** 53 + 1) + bytes(16) + b"abcdefgh"
        device = {"name": "nic", "instance_id": 0, "vmsd_name": "nic", "version": 1, "fields": fields}
        content = stream([("nic", 0, body)], vmdesc(device))
        one, few, short, text = self.device(content, "nic")["fields"]
        self.assertEqual((one["value"], one["hex"]), (0xfefefefefefefefe, "0xfefefefefefefefe"))
        self.assertEqual((few["value"], few["hex"]), ([7, 2 ** 53 + 1], ["0x7", "0x20000000000001"]))
        self.assertNotIn("hex", {**short, **text})
        self.assertEqual(self.run_on(content, "dump").json["devices"][0]["fields"][1]["hex"], few["hex"])
        self.assertNotIn("hex", self.run_on(content, "dump", "--format", "qemu").text)

    def test_every_wide_name_has_its_text(self):
        def check(json):
            if isinstance(json, list):
                for element in json:
                    check(element)
            if not isinstance(json, dict):
                return
            for key, value in json.items():
                wide = key in ("offset", "length", "size", "total") or key.endswith(("_offset", "_length", "_bytes", "_size"))
                if wide and isinstance(value, int):
                    self.assertEqual(int(json[key + "_hex"], 16), value)
                check(value)

        for command in ("info", "sections", "devices", "ram", "hexdump", "verify", "explain", "dump"):
            check(self.run_on(one_timer(), command, "--json").json)


class ClosedTypes(DeviceTest):
    """Types that the description names without telling what they hold."""
    LEVELS = be32(0) + be32(1) + be32(0) + be32(1)

    def content(self, body):
        fields = [{"name": "irq_state", "type": "pci irq state", "size": len(body)}]
        device = {"name": "nic", "instance_id": 0, "vmsd_name": "nic", "version": 1, "fields": fields}
        return stream([("nic", 0, body)], vmdesc(device))

    def test_they_are_opened(self):
        content = self.content(self.LEVELS)
        field, = self.device(content, "nic")["fields"]
        self.assertEqual((field["type"], field["size"], field["layout"]), ("pci irq state", 16, "built-in"))
        self.assertEqual([(pin["name"], pin["offset"] - field["offset"], pin["value"])
                          for pin in field["fields"]],
                         [("inta", 0, 0), ("intb", 4, 1), ("intc", 8, 0), ("intd", 12, 1)])
        self.assertEqual(self.device(content, "nic", "irq_state.intd")["fields"][0]["value"], 1)
        text = self.run_on(content, "device", "nic").text
        self.assertIn("irq_state, built-in layout\n", text)
        self.assertIn("intd = 1\n", text)
        xml = self.run_on(content, "dump", "--format", "xml").text
        self.assertIn('size="16" layout="built-in">', xml)
        self.assertIn('name="intd" type="uint32"', xml)

    def test_the_analysers_form_stays_hex(self):
        answer = self.run_on(self.content(self.LEVELS), "dump", "--format", "qemu").json
        self.assertEqual(answer["nic (3)"],
                         {"irq_state": self.LEVELS.hex(" ")})

    def test_bytes_of_another_form_stay_bytes(self):
        answer = self.device(self.content(self.LEVELS[:-1]), "nic")
        self.assertNotIn("layout", answer["fields"][0])
        self.assertEqual(answer["fields"][0]["value"], self.LEVELS[:-1].hex())
        self.assertEqual(answer["problems"], [])


class Names(DeviceTest):
    BODIES = [("0000:00:02.0/e1000", 0, b"\1"), ("0000:00:03.0/e1000", 0, b"\2"), ("cpu", 0, b"\3"),
              ("cpu", 1, b"\4"), ("cpu_common", 0, b"\5")]

    def stream(self):
        return stream(self.BODIES, vmdesc(*(described(name, 1, instance) for name, instance, _ in self.BODIES)))

    def test_the_end_of_a_name_is_enough_where_it_is_unique(self):
        for tail in ("0000:00:03.0/e1000", "03.0/e1000"):
            self.assertEqual(self.device(self.stream(), tail)["fields"][0]["value"], "02")
        self.assertEqual(self.device(self.stream(), "common")["idstr"], "cpu_common")

    def test_an_ambiguous_name_lists_the_candidates(self):
        run = self.run_on(self.stream(), "device", "e1000", status=2)
        self.assertIn("'e1000' could be 2 devices", run.err.decode())
        self.assertIn("'0000:00:02.0/e1000', '0000:00:03.0/e1000'", run.err.decode())

    def test_an_unknown_name_lists_what_there_is(self):
        run = self.run_on(self.stream(), "device", "nic", status=2)
        self.assertIn("there is no device 'nic'", run.err.decode())
        self.assertIn("'cpu_common'", run.err.decode())

    def test_instances(self):
        answer = self.run_on(self.stream(), "device", "cpu", "--json").json
        self.assertEqual([(one["idstr"], one["instance_id"]) for one in answer["instances"]], [("cpu", 0), ("cpu", 1)])
        self.assertEqual(self.device(self.stream(), "cpu", "--instance", "1")["fields"][0]["value"], "04")
        run = self.run_on(self.stream(), "device", "cpu", "--instance", "7", status=2)
        self.assertIn("device 'cpu' has no instance 7", run.err.decode())

    def test_a_middle_is_enough_where_it_is_unique_and_no_end_fits(self):
        self.assertEqual(self.device(self.stream(), "02.0")["idstr"], "0000:00:02.0/e1000")
        self.assertEqual(self.device(self.stream(), "_comm")["idstr"], "cpu_common")
        run = self.run_on(self.stream(), "device", "0/e", status=2)
        self.assertIn("'0/e' could be 2 devices", run.err.decode())

    def test_the_nearest_names_come_first(self):
        for wanted, meant in (("cpu_comon", "cpu_common"), ("e1001", None), ("cpv", "cpu")):
            hint = self.run_on(self.stream(), "device", wanted, status=2).err.decode().splitlines()[1]
            if meant:
                self.assertTrue(hint.startswith(f"hint: did you mean '{meant}'"), hint)
            self.assertIn("the stream has '", hint)

    def test_a_device_must_be_named(self):
        run = self.run_on(self.stream(), "device", status=2)
        self.assertIn("FILE", run.err.decode())


class Registers(DeviceTest):
    @staticmethod
    def cpu(*fields):
        return {"name": "cpu", "instance_id": 0, "vmsd_name": "cpu", "version": 1, "fields": list(fields)}

    def value(self, content, *words):
        return self.device(content, *words)["fields"][0]["value"]

    def x86(self):
        segments = [{"name": "env.segs", "array_len": 6, "type": "struct", "size": 8,
                     "struct": {"vmsd_name": "segment", "version": 1,
                                "fields": [{"name": "base", "type": "uint64", "size": 8}]}}]
        fields = [{"name": "env.regs", "array_len": 16, "type": "uint64", "size": 8},
                  {"name": "env.eip", "type": "uint64", "size": 8}, {"name": "env.eflags", "type": "uint64", "size": 8},
                  {"name": "env.cr[3]", "type": "uint64", "size": 8}, {"name": "env.efer", "type": "uint64", "size": 8}]
        body = b"".join(be64(value) for value in range(100, 126))
        return stream([("cpu", 0, body), ("serial", 0, b"\0")],
                      vmdesc(self.cpu(*fields, *segments), described("serial", 1)))

    def test_registers_have_their_common_names(self):
        for name, value in {"rip": 116, "RIP": 116, "rsp": 104, "r15": 115, "rflags": 117, "cr3": 118, "efer": 119,
                            "gs_base": 125, "env.eip": 116}.items():
            self.assertEqual(self.value(self.x86(), "cpu", name), value, name)

    def test_the_processor_may_be_left_out(self):
        answer = self.device(self.x86(), "rip")
        self.assertEqual((answer["idstr"], answer["fields"][0]["name"]), ("cpu", "env.eip"))
        self.assertEqual(self.device(self.x86(), "serial")["idstr"], "serial")

    def test_the_fields_tell_which_processor_it_is(self):
        def arm(status):
            body = b"".join(be32(value) for value in range(16)) + b"".join(be64(value) for value in range(50, 83)) + be32(status)
            fields = [{"name": "env.regs", "array_len": 16, "type": "uint32", "size": 4},
                      {"name": "env.xregs", "array_len": 32, "type": "uint64", "size": 8},
                      {"name": "env.pc", "type": "uint64", "size": 8}, {"name": "cpsr", "type": "cpsr", "size": 4}]
            return stream([("cpu", 0, body)], vmdesc(self.cpu(*fields)))
        self.assertEqual([self.value(arm(0x3c5), "cpu", name) for name in ("pc", "sp", "x30")], [82, 81, 80])
        self.assertEqual([self.value(arm(0x1d3), "cpu", name) for name in ("pc", "sp")], [15, 13])

    def test_fields_of_what_is_there_are_named(self):
        for path, words in {"env.eipp": "did you mean 'env.eip'?", "env.segs[5].bse": "it has 'env.segs[5].base'",
                            "rspp": "did you mean 'rsp'", "efre": "it has '"}.items():
            self.assertIn(words, self.run_on(self.x86(), "device", "cpu", path, status=2).err.decode())

    def test_without_a_description_the_hint_names_the_schema(self):
        content = stream([("cpu", 0, bytes(16))], b"")
        self.assertIn("--schema", self.run_on(content, "device", "cpu", "rip", status=2).err.decode())


class Damage(DeviceTest):
    def test_a_subsection_that_is_missing_is_a_problem_and_the_rest_is_shown(self):
        body = TIMER_BODY + SUBSECTION_BYTES.replace(b"more", b"less")
        answer = self.device(one_timer(body), "timer", status=3)
        self.assertEqual(answer["fields"][0]["value"], -5)
        self.assertEqual(answer["fields"][-1]["name"], "(not described)")
        offset = one_timer(body).index(b"\x05\x0atimer/less")
        self.assertIn(offset, [problem["offset"] for problem in answer["problems"]])

    def test_a_bool_that_is_none(self):
        body = TIMER_BODY.replace(b"\xfb\x01", b"\xfb\x02") + SUBSECTION_BYTES
        answer = self.device(one_timer(body), "timer", status=3)
        self.assertIn("field 'armed': it holds 2, wanted 0 or 1", answer["problems"][0]["message"])
        self.assertEqual(answer["fields"][2]["value"], [1, 2, 3])

    def test_without_a_description_the_bytes_are_shown(self):
        content = one_timer()
        content = content[:content.rindex(b"\x06" + content[content.rindex(b'{"page_size"') - 4:][:4])]
        answer = self.device(content, "timer")
        self.assertEqual((answer["source"], answer["fields"][0]["value"]),
                         ("none", (TIMER_BODY + SUBSECTION_BYTES).hex()))

    def test_a_schema_describes_what_fits_it_exactly(self):
        other = os.path.join(self.folder, "other.qevm")
        with open(other, "wb") as out:
            out.write(one_timer())
        bare = TIMER_BODY
        for body, source in ((bare, "schema"), (bare + SUBSECTION_BYTES, "schema"), (bare + b"x", "none")):
            content = stream([("timer", 0, body)], b"")
            answer = self.device(content, "timer", "--schema", other)
            self.assertEqual((answer["source"], answer["problems"]), (source, []))
        answer = self.device(stream([("timer", 4, bare)], b""), "timer", "--schema", other)
        self.assertEqual((answer["confidence"], answer["fields"][0]["value"]), ("high", -5))
        run = self.run_on(content, "device", "timer", "--schema", os.path.join(self.folder, "none"), status=1)
        self.assertIn("none: ", run.err.decode())

    def test_declarations_describe_what_their_sizes_add_up_to(self):
        def field(name, size, optional=False, **more):
            return {"field": name, "version_id": 0, "field_exists": optional, "size": size, **more}

        pair = {"name": "chan", "version_id": 1, "minimum_version_id": 1, "Fields": [field("count", 1), field("raw", 2)]}
        fields = [field("ticks", 8), field("armed", 1), field("never", 40, optional=True),
                  field("env.regs", 2, num=3), field("chan", 12, num=2, Description=pair)]
        dump = {"vmschkmachine": {"Name": "pc-test-1.0"},
                "the-timer": {"Name": "the-timer", "Description": {
                    "name": "timer", "version_id": 1, "minimum_version_id": 1, "Fields": fields}}}
        path = os.path.join(self.folder, "declarations.json")
        with open(path, "w", encoding="utf-8") as out:
            json.dump(dump, out)
        answer = self.device(stream([("timer", 0, TIMER_BODY)], b""), "timer", "--schema", path)
        self.assertEqual((answer["source"], answer["problems"]), ("schema", []))
        self.assertEqual([field["name"] for field in answer["fields"]], ["ticks", "armed", "env.regs", "chan"])
        self.assertEqual(answer["fields"][2]["value"], [1, 2, 3])
        self.assertEqual(answer["fields"][3]["fields"][1]["fields"][0]["value"], 8)
        content = stream([("timer", 0, TIMER_BODY + b"x")], b"")
        answer = self.device(content, "timer", "--schema", path)
        note = "the sizes of its fields do not add up to the body's"
        self.assertEqual((answer["source"], answer["note"]), ("none", note))
        self.assertIn(f"without a description: {note}\n", self.run_on(content, "device", "timer", "--schema", path).text)

    def test_a_cut_stream_gives_what_it_has(self):
        content = one_timer()
        cut = content[:content.index(b'{"page_size"') + 40]
        answer = self.device(cut, "timer", status=3)
        self.assertEqual(answer["idstr"], "timer")


class Dumps(DeviceTest):
    def test_the_description_keeps_order_and_equal_keys(self):
        text = b'{"page_size": 4096, "devices": [], "b": {"x": 1, "x": [], "a": "q\\"{,"}, "c": {}}'
        content = stream([], b"\x06" + be32(len(text)) + text)
        run = self.run_on(content, "vmdesc")
        self.assertEqual(run.text, '{\n  "page_size": 4096,\n  "devices": [],\n  "b": {\n    "x": 1,\n'
                                   '    "x": [],\n    "a": "q\\"{,"\n  },\n  "c": {}\n}\n')

    def test_a_stream_without_a_description(self):
        run = self.run_on(stream([], b""), "vmdesc", status=4)
        self.assertIn("carries no description", run.err.decode())

    def test_the_analysers_form(self):
        run = self.run_on(one_timer(), "dump", "--format", "qemu")
        self.assertEqual(run.text, json.dumps({
            "ram (2)": {"section sizes": {"pc.ram": "0x0000000000001000"}},
            "timer (3)": {
                "ticks": "0xfffffffffffffffb (-5)", "armed": True,
                "env.regs": ["0x0001", "0x0002", "0x0003"],
                "chan": [{"count": "0x07", "raw": "61 62"}, {"count": "0x08", "raw": "63 64"}],
                "timer/more": {"x": "0x00000063"}}}, indent=4) + "\n")

    def test_without_offsets_two_dumps_can_be_compared(self):
        def dump(content, *words):
            return self.run_on(content, "dump", "--no-offsets", *words).text
        later = one_timer().replace(CONFIGURATION, b"\x07" + be32(15) + b"pc-i440fx-7.2.1")
        devices = [json.loads(dump(content))["devices"] for content in (one_timer(), later)]
        self.assertEqual(devices[0], devices[1])
        for text in (dump(one_timer()), dump(one_timer(), "--format", "xml")):
            self.assertNotIn("offset", text)
        xml = dump(one_timer(), "--format", "xml")
        self.assertEqual(xml[xml.index("<device"):], dump(later, "--format", "xml")[-len(xml[xml.index("<device"):]):])

    def test_rows_fit_a_terminal(self):
        fields = [{"name": "a.rather.long.name.of.a.field", "array_len": 64, "type": "uint64", "size": 8}]
        nested = {"name": "deep", "type": "struct", "size": 512, "struct": {"vmsd_name": "x", "version": 1, "fields": fields}}
        device = {"name": "nic", "instance_id": 0, "vmsd_name": "nic", "version": 1, "fields": [nested]}
        content = stream([("nic", 0, bytes(range(256)) * 2)], vmdesc(device))
        for line in self.run_on(content, "device", "nic").text.splitlines():
            self.assertLessEqual(len(line), 80, line)
        whole = self.run_on(content, "device", "nic", "deep.a.rather.long.name.of.a.field").text
        self.assertIn("0xf8f9fafbfcfdfeff", whole)

    def test_json_and_xml(self):
        state = self.run_on(one_timer(), "dump").json
        self.assertEqual(state["schema"], "vmstream.state/1")
        self.assertEqual(state["devices"][0]["fields"][0]["value"], -5)
        xml = self.run_on(one_timer(), "dump", "--format", "xml").text
        self.assertIn('<field name="ticks" type="int64"', xml)
        self.assertIn(">1 2 3</field>", xml)


if __name__ == "__main__":
    unittest.main()
