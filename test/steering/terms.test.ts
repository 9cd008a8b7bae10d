import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openBackend } from '../../src/backend/index.js';
import { resolveConfig } from '../../src/guard/config.js';
import { TERM_NEEDS, TERMS, termNamed, WORKS_WITHOUT } from '../../src/steering/index.js';
import { MergeguardError } from '../../src/tensors/errors.js';
import { chosen } from '../backend/chosen.js';
import { contextOf, type Model, makeModel } from './model.js';

let model: Model;
beforeAll(async () => {
  await openBackend(chosen);
  model = makeModel();
});
afterAll(() => model.dispose());

it('have names of their own', () => {
  const names = TERMS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) {
    expect(name).toMatch(/^[a-z]+(_[a-z]+)*$/);
  }
});

describe.each(TERMS.map((info) => [info.name, info] as const))('%s', (name, info) => {
  it('says what it was measured to do, with the strength that it names', () => {
    // points of accuracy by merge method, the single model's cost, and on what
    expect(info.measured).toMatch(/weight_avg/);
    expect(info.measured).toMatch(/[+-]\d+\.\d/);
    expect(info.measured).toMatch(/single model/);
    expect(info.measured).toMatch(/\d+ (live tasks|pools?), \d+ seeds?/);
    const strength = /strength ([\d.e-]+)/.exec(info.measured);
    expect(Number(strength?.[1])).toBe(info.defaultStrength);
  });

  it('is off by default and takes the strength that was measured', () => {
    expect(info.parameters.parse({})).toMatchObject({ strength: 0 });
    expect(info.parameters.parse({ strength: info.defaultStrength })).toMatchObject({
      strength: info.defaultStrength,
    });
  });

  it('describes every parameter, in a JSON Schema too', () => {
    expect(info.parameters).toBeInstanceOf(z.ZodObject);
    expect(info.parameters.description).toBeTruthy();
    const { properties = {} } = z.toJSONSchema(info.parameters, { io: 'input' });
    expect(Object.keys(properties)).toEqual(Object.keys(info.parameters.shape));
    for (const property of Object.values(properties) as z.core.JSONSchema.BaseSchema[]) {
      expect(property.description).toBeTruthy();
      expect(property.default).toBeDefined();
    }
  });

  it.each([
    ['below zero', { strength: -0.1 }],
    ['above its most', { strength: 10.1 }],
    ['not a number', { strength: Number.NaN }],
    ['infinite', { strength: Number.POSITIVE_INFINITY }],
    ['a text', { strength: '1' }],
    ['null', { strength: null }],
  ])('refuses a strength that is %s, on starting and in a configuration', (_, options) => {
    expect(() => info.start(options, contextOf(model))).toThrow(/strength/);
    expect(() => resolveConfig({ steering: { [name]: options } })).toThrow(MergeguardError);
    expect(() => resolveConfig({ steering: { [name]: options } })).toThrow(`steering.${name}.strength is`);
  });

  it('refuses a parameter that it does not have', () => {
    expect(() => info.start({ strenght: 1 }, contextOf(model))).toThrow(/strenght/);
    expect(() => resolveConfig({ steering: { [name]: { strenght: 1 } } })).toThrow(
      `steering.${name}.strenght is unknown; did you mean steering.${name}.strength?`,
    );
  });

  it('says what it needs in words that messages have', () => {
    expect(Object.keys(TERM_NEEDS)).toEqual(expect.arrayContaining([...info.needs]));
    expect(info.needs.includes('loss function')).toBe(info.kind === 'loss');
  });

  it('starts without references, or says what it needs and what works without', () => {
    const before = tf.memory().numTensors;
    const start = () => info.start({}, contextOf(model));
    if (info.needs.includes('references')) {
      expect(start).toThrow(MergeguardError);
      expect(start).toThrow(
        /needs references, and there are none; scale_jitter, sharpness, hold and merge_simulation with partner random work without$/,
      );
    } else {
      const term = start();
      expect(term.kind).toBe(info.kind);
      term.dispose();
    }
    expect(tf.memory().numTensors).toBe(before);
  });
});

it('those that are named to work without need no more than a loss function', () => {
  const named = TERMS.filter(({ name }) => new RegExp(`\\b${name}\\b`).test(WORKS_WITHOUT));
  expect(named).toHaveLength(4);
  expect(named.flatMap(({ needs }) => needs).filter((need) => need !== 'loss function')).toEqual([]);
});

describe('scale_jitter’s own parameters', () => {
  it('refuses scales that end before they begin, naming both', () => {
    expect(() => resolveConfig({ steering: { scale_jitter: { low: 0.8, high: 0.3 } } })).toThrow(
      'steering.scale_jitter.high is 0.3, but must be at least low (0.8)',
    );
    expect(() => resolveConfig({ steering: { scale_jitter: { low: 1.5 } } })).toThrow(
      'steering.scale_jitter.high is 1.2, but must be at least low (1.5)',
    );
    const jitter = termNamed('scale_jitter');
    expect(() => jitter.start({ strength: 1, low: 1.5 }, contextOf(model))).toThrow(/high/);
    expect(jitter.parameters.parse({ low: 0.5, high: 0.5 })).toMatchObject({ low: 0.5, high: 0.5 });
  });

  it.each([
    ['low', -0.1],
    ['low', 2.1],
    ['high', 2.1],
    ['every', 0],
    ['every', 1.5],
  ])('refuses %s %f', (key, value) => {
    expect(() => resolveConfig({ steering: { scale_jitter: { [key]: value } } })).toThrow(
      `steering.scale_jitter.${key} is ${value} (number), but must be`,
    );
  });
});

describe('subspace’s own parameters', () => {
  it('refuses a mode that it does not know, with those that it knows', () => {
    expect(() => resolveConfig({ steering: { subspace: { mode: 'repel' } } })).toThrow(
      'steering.subspace.mode is "repel" (string), but must be "avoid" or "encourage"',
    );
  });
});
