export { FollowedSubspaces } from './followed-subspaces.js';
