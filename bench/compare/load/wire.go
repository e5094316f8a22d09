package main

import "encoding/binary"

// Protobuf, as far as this client needs it: it reads the outer fields and no more.

func varint(data []byte, at int) (uint64, int) {
	if at < len(data) && data[at] < 0x80 { // nearly always
		return uint64(data[at]), at + 1
	}
	if at > len(data) {
		return 0, len(data) + 1
	}
	value, n := binary.Uvarint(data[at:])
	if n <= 0 {
		return 0, len(data) + 1 // past the end: `field` stops there
	}
	return value, at + n
}

// field reads the field at an offset: its tag, the value of a number or the bytes of anything
// longer, and where the next begins; -1 when the bytes are no field.
func field(data []byte, at int) (tag, number uint64, content []byte, next int) {
	tag, at = varint(data, at)
	if at > len(data) {
		return 0, 0, nil, -1
	}
	switch tag & 7 {
	case 0:
		number, at = varint(data, at)
	case 2:
		var size uint64
		size, at = varint(data, at)
		if at > len(data) || size > uint64(len(data)-at) {
			return 0, 0, nil, -1
		}
		content, at = data[at:at+int(size)], at+int(size)
	case 1:
		at += 8
	case 5:
		at += 4
	default:
		return 0, 0, nil, -1
	}
	if at > len(data) {
		return 0, 0, nil, -1
	}
	return tag, number, content, at
}

func putNumber(out []byte, tag byte, value uint64) []byte {
	return binary.AppendUvarint(append(out, tag<<3), value)
}

func putBytes(out []byte, tag byte, value []byte) []byte {
	out = binary.AppendUvarint(append(out, tag<<3|2), uint64(len(value)))
	return append(out, value...)
}
