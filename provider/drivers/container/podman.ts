import { z } from 'zod';
import { StasisError } from '../../core/errors.ts';

/** What of podman's JSON is used; its field names are podman's own (`podman inspect`, 4 and 5). */
const mountShape = z.looseObject({
  Type: z.string(),
  Name: z.string().default(''),
  Source: z.string().default(''),
  Destination: z.string(),
  RW: z.boolean().default(true),
});

const containerShape = z.looseObject({
  Id: z.string(),
  Name: z.string(),
  /** The digest of the image's configuration. */
  Image: z.string().default(''),
  ImageName: z.string().default(''),
  State: z.looseObject({ Status: z.string(), Pid: z.number() }),
  OCIRuntime: z.string(),
  OCIConfigPath: z.string().default(''),
  Pod: z.string().default(''),
  IsInfra: z.boolean().default(false),
  GraphDriver: z.looseObject({ Name: z.string(), Data: z.record(z.string(), z.string()).nullish() }),
  Mounts: z.array(mountShape).nullish(),
  Dependencies: z.array(z.string()).nullish(),
  HostConfig: z.looseObject({
    PidMode: z.string().default(''),
    IpcMode: z.string().default(''),
    NetworkMode: z.string().default(''),
    UTSMode: z.string().default(''),
    UsernsMode: z.string().default(''),
    CgroupMode: z.string().default(''),
    Privileged: z.boolean().default(false),
    Devices: z.array(z.unknown()).nullish(),
  }),
  NetworkSettings: z
    .looseObject({
      Networks: z.record(z.string(), z.looseObject({ IPAddress: z.string().default('') })).nullish(),
    })
    .nullish(),
  Config: z.looseObject({
    Secrets: z.array(z.looseObject({ Name: z.string() })).nullish(),
    HealthcheckOnFailureAction: z.string().default(''),
  }),
});
export type Container = z.infer<typeof containerShape>;
export type Mount = z.infer<typeof mountShape>;

const podShape = z.looseObject({
  Id: z.string(),
  Name: z.string(),
  Hostname: z.string().default(''),
  Labels: z.record(z.string(), z.string()).nullish(),
  CgroupPath: z.string().default(''),
  InfraContainerID: z.string().default(''),
  SharedNamespaces: z.array(z.string()).nullish(),
  Containers: z.array(z.looseObject({ Id: z.string(), Name: z.string() })).nullish(),
  InfraConfig: z
    .looseObject({
      HostNetwork: z.boolean().default(false),
      PortBindings: z
        .record(
          z.string(),
          z.array(z.looseObject({ HostIp: z.string().default(''), HostPort: z.string() })).nullish(),
        )
        .nullish(),
      Networks: z.array(z.string()).nullish(),
    })
    .nullish(),
});
export type Pod = z.infer<typeof podShape>;

const volumeShape = z.looseObject({
  Name: z.string(),
  Driver: z.string(),
  Mountpoint: z.string(),
  Labels: z.record(z.string(), z.string()).nullish(),
  Options: z.record(z.string(), z.string()).nullish(),
});
export type Volume = z.infer<typeof volumeShape>;

const networkShape = z.looseObject({
  name: z.string(),
  driver: z.string(),
  subnets: z.array(z.looseObject({ subnet: z.string(), gateway: z.string().optional() })).nullish(),
  ipv6_enabled: z.boolean().default(false),
  internal: z.boolean().default(false),
  dns_enabled: z.boolean().default(false),
  labels: z.record(z.string(), z.string()).nullish(),
  options: z.record(z.string(), z.string()).nullish(),
});
export type Network = z.infer<typeof networkShape>;

const imageShape = z.looseObject({
  Id: z.string(),
  Size: z.number(),
  ManifestType: z.string().default(''),
});
export type Image = z.infer<typeof imageShape>;

/** What `podman … inspect` printed; nothing where it found nothing. @throws StasisError `container.podman-answer` */
function parseList<T>(shape: z.ZodType<T>, printed: string | undefined): T[] {
  if (printed === undefined || printed.trim() === '') return [];
  try {
    const value: unknown = JSON.parse(printed);
    return z.array(shape).parse(Array.isArray(value) ? value : [value]);
  } catch (cause) {
    throw new StasisError('container.podman-answer', 'What podman says cannot be understood.', {
      hint: 'Podman 4.9 to 5 is known; look whether "podman inspect" works there.',
      cause,
    });
  }
}

export const parseContainers = (printed: string | undefined): Container[] =>
  parseList(containerShape, printed);
export const parsePods = (printed: string | undefined): Pod[] => parseList(podShape, printed);
export const parseVolumes = (printed: string | undefined): Volume[] => parseList(volumeShape, printed);
export const parseNetworks = (printed: string | undefined): Network[] => parseList(networkShape, printed);
export const parseImages = (printed: string | undefined): Image[] => parseList(imageShape, printed);
