"""Wire samples of the public specification, one list for both directions. Not made with our encoders."""

from __future__ import annotations

from wps_load.protocol.messages import (
    Ack,
    Connected,
    DataMessage,
    DataType,
    Disconnected,
    Downstream,
    EndStream,
    JoinGroup,
    LeaveGroup,
    Ping,
    Pong,
    SendEvent,
    SendToGroup,
    SequenceAck,
    StartStream,
    StreamAck,
    StreamClosed,
    StreamData,
    StreamError,
    StreamMessage,
    StreamNack,
    Upstream,
)

JSON_UPSTREAM: list[tuple[str, Upstream]] = [
    ('{"type":"joinGroup","group":"g","ackId":1}', JoinGroup("g", 1)),
    ('{"type":"leaveGroup","group":"g","ackId":2}', LeaveGroup("g", 2)),
    (
        '{"type":"sendToGroup","group":"g","ackId":3,"noEcho":true,"dataType":"json","data":{"a":1}}',
        SendToGroup("g", DataType.JSON, {"a": 1}, 3, True),
    ),
    (
        '{"type":"sendToGroup","group":"g","dataType":"text","data":"hello"}',
        SendToGroup("g", DataType.TEXT, "hello"),
    ),
    (
        '{"type":"sendToGroup","group":"g","dataType":"binary","data":"AQID"}',
        SendToGroup("g", DataType.BINARY, b"\x01\x02\x03"),
    ),
    (
        '{"type":"event","event":"name","ackId":4,"dataType":"text","data":"hi"}',
        SendEvent("name", DataType.TEXT, "hi", 4),
    ),
    ('{"type":"ping"}', Ping()),
    ('{"type":"sequenceAck","sequenceId":1}', SequenceAck(1)),
    (
        '{"type":"sendToGroup","group":"g","noEcho":false,"stream":{"streamId":"s1","idleTimeoutMs":300000}}',
        StartStream("g", "s1", 300_000),
    ),
    (
        '{"type":"streamData","streamId":"s1","streamSequenceId":1,"dataType":"text","data":"x"}',
        StreamData("s1", 1, DataType.TEXT, "x"),
    ),
    (
        '{"type":"streamData","streamId":"s1","streamSequenceId":2,"dataType":"binary","data":"AQID"}',
        StreamData("s1", 2, DataType.BINARY, b"\x01\x02\x03"),
    ),
    ('{"type":"streamData","streamId":"s1"}', StreamData("s1")),
    ('{"type":"streamEnd","streamId":"s1"}', EndStream("s1")),
    (
        '{"type":"streamEnd","streamId":"s1","error":{"message":"m","userErrorCode":"E"}}',
        EndStream("s1", StreamError("", "m", "E")),
    ),
]

JSON_DOWNSTREAM: list[tuple[str, Downstream]] = [
    ('{"type":"system","event":"connected","userId":"u","connectionId":"abc"}', Connected("abc", "u")),
    ('{"type":"system","event":"connected","userId":null,"connectionId":"abc"}', Connected("abc")),
    (
        '{"type":"system","event":"connected","userId":"u","connectionId":"abc","reconnectionToken":"TOKEN"}',
        Connected("abc", "u", "TOKEN"),
    ),
    ('{"type":"system","event":"disconnected","message":"reason"}', Disconnected("reason")),
    ('{"type":"ack","ackId":1,"success":true}', Ack(1, True)),
    (
        '{"type":"ack","ackId":1,"success":false,"error":{"name":"Forbidden","message":"..."}}',
        Ack(1, False, "Forbidden", "..."),
    ),
    (
        '{"type":"message","from":"group","group":"g","fromUserId":"u","dataType":"text","data":"hello"}',
        DataMessage("group", "g", "text", "hello", None, "u"),
    ),
    (
        '{"type":"message","from":"server","dataType":"json","data":{"a":1}}',
        DataMessage("server", None, "json", {"a": 1}),
    ),
    (
        '{"type":"message","from":"server","dataType":"text","data":"Hello"}',
        DataMessage("server", None, "text", "Hello"),
    ),
    (
        '{"type":"message","from":"server","dataType":"binary","data":"AQID"}',
        DataMessage("server", None, "binary", b"\x01\x02\x03"),
    ),
    (
        '{"type":"message","from":"group","group":"g","dataType":"protobuf","data":"CgF0"}',
        DataMessage("group", "g", "protobuf", b"\x0a\x01t"),
    ),
    (
        '{"sequenceId":1,"type":"message","from":"group","group":"g","dataType":"text","data":"x","fromUserId":"u"}',
        DataMessage("group", "g", "text", "x", 1, "u"),
    ),
    ('{"type":"streamAck","streamId":"s1","expectedSequenceId":2}', StreamAck("s1", 2)),
    (
        '{"type":"streamNack","streamId":"s1","name":"InvalidSequenceId","message":"..","expectedSequenceId":2}',
        StreamNack("s1", 2, "InvalidSequenceId", ".."),
    ),
    ('{"type":"streamClosed","streamId":"s1"}', StreamClosed("s1")),
    (
        '{"type":"streamClosed","streamId":"s1","error":{"name":"IdleTimeout","message":".."}}',
        StreamClosed("s1", StreamError("IdleTimeout", "..")),
    ),
    ('{"type":"streamClosed","streamId":"s1","error":{}}', StreamClosed("s1", StreamError("Malformed"))),
    (
        '{"sequenceId":9,"type":"message","from":"group","group":"g","fromUserId":"u","dataType":"text","data":"x",'
        '"stream":{"streamId":"s1","streamSequenceId":1}}',
        StreamMessage(DataMessage("group", "g", "text", "x", 9, "u"), "s1", 1),
    ),
    (
        '{"type":"message","from":"group","group":"g","dataType":"text","data":"",'
        '"stream":{"streamId":"s1","streamSequenceId":2,"endOfStream":true}}',
        StreamMessage(DataMessage("group", "g", "text", ""), "s1", 2, True),
    ),
    (
        '{"type":"message","from":"group","group":"g","stream":{"streamId":"s1","streamSequenceId":2,'
        '"endOfStream":true,"error":{"name":"UserError","message":"m","userErrorCode":"E"}}}',
        StreamMessage(DataMessage("group", "g", "json", None), "s1", 2, True, StreamError("UserError", "m", "E")),
    ),
    (  # a type without data
        '{"type":"message","from":"group","group":"g","dataType":"text",'
        '"stream":{"streamId":"s1","streamSequenceId":2,"endOfStream":true}}',
        StreamMessage(DataMessage("group", "g", "json", None), "s1", 2, True),
    ),
    (  # JavaScript's client looks at no stream whose number is none
        '{"type":"message","from":"group","group":"g","dataType":"text","data":"x",'
        '"stream":{"streamId":"s1","streamSequenceId":"1"}}',
        DataMessage("group", "g", "text", "x"),
    ),
    ('{"type":"pong"}', Pong()),
]

JSON_UNKNOWN = [
    '{"type":"streamAck","expectedSequenceId":1}',
    '{"type":"streamAck","streamId":"s1","expectedSequenceId":"1"}',
    '{"type":"streamNack","streamId":"s1","name":"TransientError"}',
    '{"type":"streamClosed","streamId":""}',
    '{"type":"system","event":"somethingNew"}',
    '{"type":"groupStateUpdate","group":"g","items":[]}',
]

PROTOBUF_UPSTREAM: list[tuple[str, Upstream]] = [
    ("32 08 0a04726f6f6d 1002", JoinGroup("room", 2)),
    ("3a 08 0a04726f6f6d 1003", LeaveGroup("room", 3)),
    ("0a 13 0a04726f6f6d 1001 1a070a0568656c6c6f 2001", SendToGroup("room", DataType.TEXT, "hello", 1, True)),
    ("2a 11 0a066e6f74696679 12051203010203 1804", SendEvent("notify", DataType.BINARY, b"\1\2\3", 4)),
    ("4a 00", Ping()),
    ("0a 11 0a04726f6f6d 2001 3a070a017310e0a712", StartStream("room", "s", 300_000, True)),
    ("6a 0a 0a0173 1001 1a030a0178", StreamData("s", 1, DataType.TEXT, "x")),
    ("6a 03 0a0173", StreamData("s")),
    ("72 0e 0a0173 12090a04646f6e65120145", EndStream("s", StreamError("", "done", "E"))),
]

PROTOBUF_DOWNSTREAM: list[tuple[str, Downstream]] = [
    ("0a 04 0801 1001", Ack(1, True)),
    (
        "12 16 0a0567726f7570 1204726f6f6d 1a050a036f6e65 2001",
        DataMessage("group", "room", "text", "one", 1),
    ),
    ("1a 10 0a0e 0a0163 120175 1a06736563726574", Connected("c", "u", "secret")),
    ("1a 07 1205 1203627965", Disconnected("bye")),
    ("22 00", Pong()),
    ("32 05 0a0173 1002", StreamAck("s", 2)),
    ("42 03 0a0173", StreamClosed("s")),
]

PROTOBUF_UNKNOWN = [
    "32 02 1002",  # streamAck without a stream's id
    "2a 00",  # a number that is not public
    "",  # proto3: no field set
]
