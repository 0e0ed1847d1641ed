/** The kinds of decisions that share contexts. Those of one kind share a set of weights in coders that mix. */
export const SET_SAME = 0; // by kind and moved: 16
export const SET_OLD = 16; // by kind: 8
export const SET_FORM = 24; // by kind: 8
export const SET_SHIFT = 32; // by place in the list: 8
export const SET_MASK = 40; // by place in the unit: 8
export const SET_BYTE = 48; // by place in the unit and bit: 64
export const SET_NUMBER = 112; // by field, two each: 10
export const SET_KIND = 122;
export const SETS = 123;
