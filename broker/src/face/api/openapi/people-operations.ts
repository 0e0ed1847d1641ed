import { operation } from './operation.ts';
import { list, ref, text } from './schema.ts';

const tag = 'People';

export const PEOPLE = operation({ tag, summary: 'Everybody, with their roles and keys', answer: list(ref('Person')) });
export const PERSON = operation({ tag, summary: 'One person', params: { name: text() }, answer: ref('Person') });
